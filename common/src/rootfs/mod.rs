//! The directory that becomes a container's `/`: made when the default one is missing, and checked before
//! anybody moves into it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::unistd::getpid;

use self::contents::Contents;
use crate::diagnosis::{Cause, Known};
use crate::signals;

mod check;
mod contents;
mod elf;
mod libraries;
mod make;
mod tools;
mod trust;

/// The root directory of a container when the reader names none. It is made when it is missing.
pub const DEFAULT: &str = "/tmp/busybox";

/// Returns the absolute path of the root directory to use for `rootfs`, checked.
///
/// [`DEFAULT`] is made when it is missing: from this host's busybox, or else from its own shell and tools.
/// When it belongs to somebody else, `/tmp/busybox-UID` takes its place, and a warning says so.
///
/// To be called before the clone: inside a user namespace all owners but the mapped ones look alike.
///
/// - `rootfs`: the directory that the reader has asked for.
///
/// # Errors
///
/// One line that names the directory and says what is wrong with it: it is missing, no directory, lacks a
/// mount point, is mounted noexec; or another user owns it or can write to it, and could have planted what
/// is about to be executed.
pub fn prepare(rootfs: &Path) -> Result<PathBuf> {
    let is_default = rootfs == Path::new(DEFAULT);
    let rootfs = if is_default { default_rootfs()? } else { rootfs.to_owned() };
    check::checked(&rootfs, is_default)
}

/// Returns the default root directory that [`prepare`] would take, checked, and whether it is there. When it is
/// not, it could be made. Makes nothing.
///
/// # Errors
///
/// Those of [`prepare`].
pub fn look() -> Result<(PathBuf, bool)> {
    let candidates = default_candidates();
    let theirs = |path: &&PathBuf| {
        path.symlink_metadata().is_ok_and(|metadata| !trust::is_trusted(metadata.uid()))
    };
    let Some(candidate) = candidates.iter().find(|path| !theirs(path)) else {
        return Err(all_taken(&candidates[1]));
    };
    if candidate.symlink_metadata().is_ok() {
        return Ok((check::checked(candidate, true)?, true));
    }
    check::ensure_executable(candidate.parent().unwrap_or(Path::new("/")))?;
    tools::of_this_host()?;
    Ok((candidate.clone(), false))
}

/// Makes a root directory at `target`, which is not there yet: from this host's busybox, or else from its own
/// shell and tools.
///
/// # Errors
///
/// There is something at `target`, or it cannot be made.
pub fn make(target: &Path) -> Result<()> {
    ensure!(target.symlink_metadata().is_err(), "{}: it is there already", target.display());
    build(target)
}

/// Copies the file `program` into the root directory `root` as `/bin/NAME`, and the shared libraries it
/// needs to their own paths. What is there stays. The program's loader is executed.
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

/// Makes a root directory of what this host has.
fn build(target: &Path) -> Result<()> {
    let contents = tools::of_this_host()?;
    make::build(target, &contents)
        .with_context(|| format!("make the root directory {}", target.display()))
}

/// The default root directory, and the one of this user alone.
fn default_candidates() -> [PathBuf; 2] {
    [DEFAULT.into(), format!("{DEFAULT}-{}", trust::outer_uid()).into()]
}

fn all_taken(of_mine: &Path) -> anyhow::Error {
    let said = format!(
        "root directory {}: belongs to another user; name your own with --rootfs",
        of_mine.display()
    );
    Known::new(Cause::RootOfAnotherUser, said).remedy(check::MAKE_AND_USE).into()
}

/// Returns the first of [`DEFAULT`] and `/tmp/busybox-UID` that belongs to nobody else; makes it when it
/// is missing.
fn default_rootfs() -> Result<PathBuf> {
    let [default, of_mine] = &default_candidates();
    for candidate in [default, of_mine] {
        if candidate.symlink_metadata().is_err() {
            build(candidate)?;
        }
        // Made a moment ago by another start, it may be another user's; and so may a link.
        let metadata = candidate.symlink_metadata();
        let metadata =
            metadata.with_context(|| format!("root directory {}", candidate.display()))?;
        if trust::is_trusted(metadata.uid()) {
            return Ok(candidate.to_owned());
        }
        if candidate != of_mine {
            log::warn!("{DEFAULT} belongs to another user: using {}", of_mine.display());
        }
    }
    Err(all_taken(of_mine))
}
