//! The directory that becomes a container's `/`: made when the default one is missing, and checked
//! before anybody moves into it.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow};
use log::Level;
use nix::fcntl::OFlag;
use nix::unistd::getpid;

pub use self::check::RootDirectory;
use self::contents::Contents;
use self::ids::outer_uid;
use crate::diagnosis::{Cause, Known};
use crate::host_facts::is_sudo;
use crate::quote::shown;
use crate::signals;

mod advice;
mod check;
mod contents;
mod elf;
mod ids;
mod libraries;
mod make;
mod mounts;
mod room;
mod tools;
mod trust;
mod walk;

/// The root directory of a container when the reader names none. It is made when it is missing.
pub const DEFAULT: &str = "/tmp/busybox";

/// The shell that a root directory of ours has.
pub const SHELL: &str = "/bin/sh";

/// Returns the root directory to use for `rootfs`, open and checked.
///
/// [`DEFAULT`] is made when it is missing: from this host's busybox, or else from its own shell and
/// tools. When it belongs to somebody else, or can't be looked into, `/tmp/busybox-UID` takes its
/// place, and a warning says so.
///
/// To be called before the clone: inside a user namespace all owners but the mapped ones look
/// alike.
///
/// - `rootfs`: the directory that the reader has asked for.
/// - `shell`: the program that is to be executed in it, by its path there. execve(2) says whether it is
///   there.
///
/// # Errors
///
/// One line that names the directory and says what is wrong with it: it is missing, no directory,
/// lacks a mount point, is mounted noexec; or another user owns it, has mounted it, or can write to
/// it, to a directory above it, or to its shell, and could have planted what is about to be
/// executed. For root that has been called by sudo(8), its caller is another user.
pub fn prepare(rootfs: &Path, shell: &Path) -> Result<RootDirectory> {
    if rootfs == Path::new(DEFAULT) {
        return default_root(shell).map_err(|error| advice::with_another(error, None));
    }
    check::open(rootfs, false, shell).map_err(|error| advice::with_another(error, Some(rootfs)))
}

fn default_root(shell: &Path) -> Result<RootDirectory> {
    loop {
        match choose(shell)? {
            // Another start may be making it, too. So it is looked at once more.
            Choice { path, root: None, .. } => build(&path)?,
            Choice { path, root: Some(root), passed_over } => {
                if let Some(error) = passed_over {
                    // Under sudo(8) it is as it should be: the first one is for the caller's
                    // containers.
                    let level = if is_sudo() { Level::Info } else { Level::Warn };
                    log::log!(level, "{error:#}: using {}", shown(path));
                }
                return Ok(root);
            }
        }
    }
}

/// Returns the path of the default root directory that [`prepare`] would take, checked, and whether
/// it is there. When it is not, it could be made. Makes nothing.
///
/// # Errors
///
/// Those of [`prepare`].
pub fn look() -> Result<(PathBuf, bool)> {
    let choice = choose(SHELL.as_ref()).map_err(|error| advice::with_another(error, None))?;
    if choice.root.is_none() {
        plan(&choice.path).map_err(|error| advice::with_another(error, None))?;
    }
    Ok((choice.path, choice.root.is_some()))
}

/// Makes a root directory at `target`: from this host's busybox, or else from its own shell and
/// tools. If there is one that can be used, it stays.
///
/// # Errors
///
/// There is something else at `target`, or it can't be made.
pub fn make(target: &Path) -> Result<()> {
    if is_missing(target) {
        return build(target).map_err(advice::with_another_place);
    }
    // No advice: what to do about something that is there is for its owner to say.
    let used = check::open(target, true, SHELL.as_ref()).map(drop);
    used.map_err(|error| anyhow!("it is there already, and can't be used: {error:#}"))
}

/// Copies the file `program` into the root directory `root` as `/bin/NAME`, and the shared
/// libraries it needs to their own paths. What is there stays. The program's loader is executed.
///
/// # Errors
///
/// A file can't be read or written, is no ELF program, or needs a library that isn't there.
pub fn install(program: &Path, root: &Path, name: &str) -> Result<()> {
    signals::expect_children()?;
    // The loader is another process, with another /proc/self.
    let own = Path::new("/proc").join(getpid().to_string());
    let program = program.strip_prefix("/proc/self").map_or(program.into(), |rest| own.join(rest));
    let mut contents = Contents::default();
    contents.add_program(&program, name)?;
    make::write(root, &contents)
}

/// Returns what a root directory at `target` would be made of, if it can be made there.
fn plan(target: &Path) -> Result<Contents> {
    let said = || format!("root directory {}", shown(target));
    // First of all: in a place of another user nothing is worth a look.
    room::ensure_place(target).with_context(said)?;
    let contents = tools::of_this_host().with_context(said)?;
    room::ensure_fits(target, &contents).with_context(said)?;
    Ok(contents)
}

/// Makes a root directory of what this host has.
fn build(target: &Path) -> Result<()> {
    let contents = plan(target)?;
    make::build(target, &contents)
        .map_err(|error| room::nowhere(error, "it can't be made"))
        .with_context(|| format!("root directory {}", shown(target)))
}

/// A default root directory.
struct Choice {
    path: PathBuf,
    /// The directory, if it is there.
    root: Option<RootDirectory>,
    /// Why it is not the one before it.
    passed_over: Option<Error>,
}

/// Returns the first of [`DEFAULT`] and `/tmp/busybox-UID` that isn't another user's.
fn choose(shell: &Path) -> Result<Choice> {
    let mut passed_over = None;
    let of_mine = PathBuf::from(format!("{DEFAULT}-{}", outer_uid()));
    for path in [DEFAULT.into(), of_mine.clone()] {
        match check::open(&path, true, shell) {
            Ok(root) => return Ok(Choice { path, root: Some(root), passed_over }),
            Err(_) if is_missing(&path) => return Ok(Choice { path, root: None, passed_over }),
            Err(error) if is_taken(&error) => passed_over = Some(error),
            Err(error) => return Err(error),
        }
    }
    // What may not be looked into can be the directory that both are in.
    room::ensure_place(&of_mine).with_context(|| format!("root directory {}", shown(&of_mine)))?;
    let others = "both default root directories are others'";
    Err(passed_over.context(others)?.context(Known::new(Cause::RootOfAnotherUser, others)))
}

/// Whether there is nothing of this path, be it that what leads to it is no directory.
fn is_missing(path: &Path) -> bool {
    let missing = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    // It is not asked what it is: somebody else's file system may not answer.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_PATH | OFlag::O_NOFOLLOW).bits())
        .open(path);
    opened.is_err_and(|error| missing.contains(&error.kind()))
}

/// Whether a default root directory can't be used because it is somebody else's: it is known to be,
/// or can't even be looked into.
fn is_taken(error: &Error) -> bool {
    let theirs = |known: &Known| known.cause() == Cause::RootOfAnotherUser;
    let denied = |error: &io::Error| error.kind() == ErrorKind::PermissionDenied;
    error.downcast_ref().is_some_and(theirs) || error.downcast_ref().is_some_and(denied)
}
