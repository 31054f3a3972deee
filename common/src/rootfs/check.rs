//! What a root directory has to be before anybody moves into it.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result, ensure};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::geteuid;

use super::SHELL;
use super::contents::{BIN, MOUNT_POINTS};
use super::mounts;
use super::trust::{
    as_owner, ensure_leads_to_the_same, ensure_not_everybodys, ensure_not_written_by_others,
};
use super::walk::{Place, follow};
use crate::diagnosis::{Cause, Known};
use crate::quote::{quoted, shown};

/// A directory that can become a container's `/`. Its descriptor (an O_PATH one, for fchdir(2))
/// stays with the directory that was checked, whatever becomes of the path.
pub struct RootDirectory(Place);

impl RootDirectory {
    /// Returns another descriptor of the same directory.
    ///
    /// # Errors
    ///
    /// fcntl(2): EMFILE.
    pub fn try_clone(&self) -> Result<OwnedFd> {
        self.0.file.as_fd().try_clone_to_owned().context("copy a descriptor")
    }
}

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
    let place = find(rootfs, is_ours).with_context(said)?;
    ensure_nobody_else_writes(&place, shell).with_context(said)?;
    ensure_whole(&place, is_ours.then_some(rootfs)).with_context(said)?;
    ensure_executable(&place).with_context(said)?;
    Ok(RootDirectory(place))
}

fn find(rootfs: &Path, is_ours: bool) -> Result<Place> {
    let rootfs = absolute(rootfs).context("find the current directory")?;
    let host = Place::root()?;
    let place = follow(&host, &rootfs, ensure_leads_to_the_same)?;
    let no_directory = "not a directory";
    // Whatever it is, it is in the way of ours.
    ensure!(place.metadata.is_dir() || !is_ours, Known::new(Cause::RootNowhere, no_directory));
    ensure!(place.metadata.is_dir(), no_directory);
    let file = |place: &Place| (place.metadata.dev(), place.metadata.ino());
    ensure!(file(&place) != file(&host), "this is the root directory of the host");
    Ok(place)
}

/// Fails if others can write to the root directory, to where its programs are, or to its shell.
fn ensure_nobody_else_writes(root: &Place, shell: &Path) -> Result<()> {
    ensure_not_everybodys(root)?;
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

/// Fails if something is missing in it.
///
/// - `ours`: the path of one that is of our making.
fn ensure_whole(root: &Place, ours: Option<&Path>) -> Result<()> {
    let mut missing = Vec::new();
    for name in MOUNT_POINTS {
        // A mount on a link would be one on the host.
        let place = found(root.open(&OsString::from(name))).with_context(|| name)?;
        if !place.is_some_and(|place| place.metadata.is_dir()) {
            missing.push(root.path.join(name));
        }
    }
    let not_whole = |what| Known::new(Cause::RootNotWhole, what);
    let whole = missing.is_empty() && (ours.is_none() || has_shell(root)?);
    if let Some(ours) = ours.filter(|_| !whole) {
        let said = "not whole any more; when it is gone, the next start makes a new one";
        return Err(not_whole(said).remedy(removal(root, ours)?).into());
    }
    if whole {
        return Ok(());
    }
    let read_only = flags_of(root)?.contains(FsFlags::ST_RDONLY);
    let nowhere = "a mount point is missing, and nothing can be made in it";
    ensure!(!read_only, Known::new(Cause::RootNowhere, nowhere));
    Err(not_whole("a mount point is missing").remedy(mkdir(&missing)).into())
}

/// Whether a root directory of our making has a shell that can be executed.
fn has_shell(root: &Place) -> Result<bool> {
    let Some(shell) = found(follow(root, Path::new(SHELL), |_| Ok(())))? else { return Ok(false) };
    let executable = shell.metadata.is_file()
        && shell.metadata.mode() & 0o111 != 0
        && !flags_of(&shell)?.contains(FsFlags::ST_NOEXEC);
    Ok(executable && shell.metadata.len() > 0)
}

/// A command that makes these directories. A file or a link of that name is in the way of it.
fn mkdir(missing: &[PathBuf]) -> String {
    let words = |paths: &[&PathBuf]| paths.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let in_the_way: Vec<_> =
        missing.iter().filter(|path| path.symlink_metadata().is_ok()).collect();
    let rm = match in_the_way.is_empty() {
        true => String::new(),
        false => format!("rm {} && ", words(&in_the_way)),
    };
    format!("{rm}mkdir {}", words(&missing.iter().collect::<Vec<_>>()))
}

/// A command that removes what is at a path: a link alone, and not what that leads to. What is mounted in there is unmounted
/// before, since rm(1) would go on in it.
fn removal(root: &Place, path: &Path) -> Result<String> {
    let metadata = path.symlink_metadata().with_context(|| shown(path))?;
    if metadata.is_symlink() {
        return Ok(as_owner(&format!("rm {}", quoted(path)), &metadata));
    }
    let sudo = if geteuid().is_root() { "" } else { "sudo " };
    let mut command = String::new();
    for mount_point in mounts::points_in(&root.path)? {
        command += &format!("{sudo}umount {} && ", quoted(mount_point));
    }
    Ok(command + &as_owner(&format!("rm -r {}", quoted(path)), &metadata))
}

/// Fails if nothing can be executed there.
pub(super) fn ensure_executable(place: &Place) -> Result<()> {
    let said = "nothing can be executed in it";
    ensure!(!flags_of(place)?.contains(FsFlags::ST_NOEXEC), Known::new(Cause::RootNoexec, said));
    Ok(())
}

/// The flags of the mount that a file is on.
fn flags_of(place: &Place) -> Result<FsFlags> {
    Ok(fstatvfs(&place.file).map_err(io::Error::from)?.flags())
}
