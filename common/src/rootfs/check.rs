//! What a root directory has to be before anybody moves into it.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result, ensure};
use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::SHELL;
use super::contents::{BIN, MOUNT_POINTS};
use super::trust::{ensure_leads_to_the_same, ensure_not_written_by_others};
use super::walk::{Place, follow};
use crate::diagnosis::{Cause, Known};
use crate::quote::{quoted, shown};

/// A directory that can become a container's `/`. Its descriptor (an O_PATH one, for fchdir(2))
/// stays with the directory that was checked, whatever becomes of the path.
pub struct RootDirectory(Place);

impl AsFd for RootDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
}

impl From<RootDirectory> for OwnedFd {
    fn from(root: RootDirectory) -> OwnedFd {
        root.0.file.into()
    }
}

impl AsRef<Path> for RootDirectory {
    /// Its path, absolute and without symbolic links, for messages.
    fn as_ref(&self) -> &Path {
        &self.0.path
    }
}

/// Opens the directory `rootfs`, and checks it.
///
/// - `shell`: what is to be executed in it.
/// - `is_ours`: whether it is one that [`super::make`] has made, and so is to be whole.
pub(super) fn open(rootfs: &Path, is_ours: bool, shell: &Path) -> Result<RootDirectory> {
    let said = || format!("root directory {}", shown(rootfs));
    let place = find(rootfs).with_context(said)?;
    ensure_nobody_else_writes(&place, shell).with_context(said)?;
    ensure_whole(&place, is_ours).with_context(said)?;
    ensure_executable(&place).with_context(said)?;
    Ok(RootDirectory(place))
}

fn find(rootfs: &Path) -> Result<Place> {
    let rootfs = absolute(rootfs).context("find the current directory")?;
    let host = Place::root()?;
    let place = follow(&host, &rootfs, ensure_leads_to_the_same)?;
    ensure!(place.metadata.is_dir(), "not a directory");
    let file = |place: &Place| (place.metadata.dev(), place.metadata.ino());
    ensure!(file(&place) != file(&host), "this is the root directory of the host");
    Ok(place)
}

/// Fails if others can write to the root directory, to where its programs are, or to its shell.
fn ensure_nobody_else_writes(root: &Place, shell: &Path) -> Result<()> {
    ensure_not_written_by_others(root)?;
    let check = |place: &Place| {
        let said = || shown(&place.path);
        // The mode of a symbolic link means nothing: symlink(7). Its owner does.
        if place.metadata.is_symlink() {
            Ok(())
        } else {
            ensure_not_written_by_others(place).with_context(said)
        }
    };
    for path in [Path::new(BIN), Path::new(SHELL), shell] {
        // A script may be executed by /bin/sh, whatever the shell; and none of them need be there.
        if let Some(place) = found(follow(root, path, check))? {
            check(&place)?;
        }
    }
    Ok(())
}

/// Turns the error for a file that isn't there into `None`.
fn found(place: Result<Place>) -> Result<Option<Place>> {
    let missing = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    match place {
        Err(error)
            if error.downcast_ref().is_some_and(|io: &io::Error| missing.contains(&io.kind())) =>
        {
            Ok(None)
        }
        place => place.map(Some),
    }
}

fn ensure_whole(root: &Place, is_ours: bool) -> Result<()> {
    let mut missing = Vec::new();
    for name in MOUNT_POINTS {
        // A mount on a link would be one on the host.
        let place = found(root.open(&OsString::from(name))).with_context(|| name)?;
        if !place.is_some_and(|place| place.metadata.is_dir()) {
            missing.push(root.path.join(name));
        }
    }
    let not_whole = |what| Known::new(Cause::RootNotWhole, what);
    let whole = missing.is_empty()
        && (!is_ours || found(follow(root, Path::new(SHELL), |_| Ok(())))?.is_some());
    let new = || {
        not_whole("not whole any more; when it is gone, the next start makes a new one")
            .remedy(format!("rm -r {}", quoted(&root.path)))
    };
    ensure!(whole || !is_ours, new());
    let mkdir = |missing: Vec<PathBuf>| {
        let names: Vec<_> = missing.iter().map(quoted).collect();
        not_whole("a mount point is missing").remedy(format!("mkdir {}", names.join(" ")))
    };
    ensure!(whole, mkdir(missing));
    Ok(())
}

/// Fails if nothing can be executed there.
pub(super) fn ensure_executable(place: &Place) -> Result<()> {
    let flags = fstatvfs(&place.file).map_err(io::Error::from)?.flags();
    let said = "nothing can be executed in it";
    ensure!(!flags.contains(FsFlags::ST_NOEXEC), Known::new(Cause::RootNoexec, said));
    Ok(())
}
