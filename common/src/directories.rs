//! Directories in directories, however deep.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Removes a directory and those in it, the deepest first. There may be so many that no path leads to the last, and
/// more than this process can open.
///
/// # Errors
///
/// open(2), rmdir(2). A directory that is not there is no error.
pub fn remove_directories(top: &Path) -> nix::Result<()> {
    let mut here = match open(AT_FDCWD, top) {
        Err(Errno::ENOENT) => return Ok(()),
        opened => opened?,
    };
    let mut way = Vec::new();
    loop {
        if let Some(child) = first_child(&here)? {
            here = open(here.as_fd(), &child)?;
            way.push(child);
        } else if let Some(name) = way.pop() {
            here = open(here.as_fd(), Path::new(".."))?;
            unlinkat(&here, &name, UnlinkatFlags::RemoveDir)?;
        } else {
            return unlinkat(AT_FDCWD, top, UnlinkatFlags::RemoveDir);
        }
    }
}

const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_CLOEXEC);

fn open(at: BorrowedFd, path: &Path) -> nix::Result<OwnedFd> {
    openat(at, path, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())
}

/// Returns the name of a directory in this one.
fn first_child(directory: &OwnedFd) -> nix::Result<Option<PathBuf>> {
    let mut entries = Dir::openat(directory, ".", DIRECTORY, Mode::empty())?;
    for entry in entries.iter() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if entry.file_type() == Some(Type::Directory) && name != "." && name != ".." {
            return Ok(Some(name.into()));
        }
    }
    Ok(None)
}
