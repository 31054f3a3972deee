//! What to type where a root directory can't be had.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Error;
use nix::unistd::{User, geteuid};

use super::ids::outer_uid;
use super::{SHELL, check, room};
use crate::diagnosis::{Cause, Known};
use crate::host_facts::is_sudo;
use crate::quote::quoted;

/// Adds the command that helps to an error, where it takes another root directory and there is a
/// place for it.
///
/// - `theirs`: the root directory that the reader has asked for, where it was not the default one.
pub(super) fn with_another(mut error: Error, theirs: Option<&Path>) -> Error {
    let Some(known) = error.downcast_mut::<Known>() else { return error };
    let copy = known.cause() == Cause::RootOfAnotherUser && !is_sudo();
    if [Cause::RootOfAnotherUser, Cause::RootNoexec, Cause::RootNowhere].contains(&known.cause()) {
        if let Some(directory) = elsewhere() {
            let directory = directory.as_argument();
            let make = match theirs {
                // Not for root under sudo, whose caller's containers could write to it.
                Some(theirs) if copy => format!("cp -rT {} {directory}", quoted(theirs)),
                _ => format!("{} {directory}", doctor_root()),
            };
            known.or_remedy(format!("{make} && {}", use_it(&directory)));
        }
    }
    error
}

/// A command that makes a root directory at a path, and starts the stage with it.
pub(super) fn make_and_use(path: &Path) -> String {
    let directory = quoted(path);
    format!("{} {directory} && {}", doctor_root(), use_it(&directory))
}

fn use_it(directory: &str) -> String {
    format!("cargo {{run}} -p {{package}} -- --rootfs {directory}")
}

/// Adds the command that makes a root directory elsewhere to an error of making one.
pub(super) fn with_another_place(mut error: Error) -> Error {
    if let Some(known) = error.downcast_mut::<Known>() {
        if let Some(directory) = elsewhere() {
            known.or_remedy(format!("{} {}", doctor_root(), directory.as_argument()));
        }
    }
    error
}

/// The doctor's command that makes a root directory, as the caller types it.
fn doctor_root() -> &'static str {
    if is_sudo() { "cargo as-root -p doctor -- root" } else { "cargo doctor root" }
}

/// A place for a root directory.
struct Elsewhere {
    path: PathBuf,
    is_home: bool,
}

impl Elsewhere {
    /// Root's home is not what the tilde of sudo's caller means. And without `HOME` dash(1) leaves a tilde as it is.
    fn as_argument(&self) -> String {
        let has_tilde = !is_sudo() && env::var_os("HOME").is_some();
        if self.is_home && has_tilde { "~/busybox".into() } else { quoted(&self.path) }
    }
}

/// Returns the first place where a root directory can be made, or where there is one that can be
/// used.
fn elsewhere() -> Option<Elsewhere> {
    let home = || Some(User::from_uid(geteuid()).ok()??.dir);
    let home = env::var_os("HOME").map(PathBuf::from).or_else(home);
    let programs = env::current_exe().ok();
    let own = format!("busybox-{}", outer_uid());
    let places = [
        home.map(|home| Elsewhere { path: home.join("busybox"), is_home: true }),
        geteuid().is_root().then(|| Elsewhere { path: "/root/busybox".into(), is_home: false }),
        Some(Elsewhere { path: Path::new("/var/tmp").join(&own), is_home: false }),
        // Where the programs are something can be executed.
        programs.map(|program| Elsewhere { path: program.with_file_name(own), is_home: false }),
    ];
    let usable = |place: &Elsewhere| match place.path.symlink_metadata() {
        Ok(_) => check::open(&place.path, true, SHELL.as_ref()).is_ok(),
        Err(_) => place.path.is_absolute() && room::ensure_place(&place.path).is_ok(),
    };
    places.into_iter().flatten().find(usable)
}
