//! A mount that translates the owners of files: mount_setattr(2).

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use common::quote::shown;
use nix::errno::Errno;
use nix::libc::{self, mount_attr};

/// Mounts `directory` on `place` as well, with the id maps of the user namespace that process `pid` is in: Linux 5.12.
///
/// A file of user 0 on the disk belongs there to the user that is 0 in the namespace.
///
/// # Errors
///
/// EINVAL where the file system can't do it, or there is no map; EPERM without CAP_SYS_ADMIN where the file system
/// was mounted.
pub fn mount(pid: u32, directory: &Path, place: &Path) -> Result<()> {
    let maps = format!("/proc/{pid}/ns/user");
    let maps = File::open(&maps).with_context(|| format!("open {maps}"))?;
    let (from, to) = (c_string(directory)?, c_string(place)?);
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the pointer is to a C string that outlives the call.
    let copy = Errno::result(unsafe {
        libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, from.as_ptr(), flags)
    });
    let copy = copy.with_context(|| format!("copy the mount of {}", shown(directory)))?;
    // SAFETY: the number is new, and nobody else's.
    let copy = unsafe { OwnedFd::from_raw_fd(copy as RawFd) };
    // SAFETY: numbers, for all of which 0 is a value.
    let mut attributes: mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = libc::MOUNT_ATTR_IDMAP;
    attributes.userns_fd = maps.as_raw_fd() as u64;
    // A mount can be given a map only while it is at no place.
    // SAFETY: the kernel reads as many bytes as it is told, and an empty path.
    let mapped = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            copy.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<mount_attr>(),
        )
    });
    mapped.context("map the owners of the mount's files")?;
    // SAFETY: the pointers are to C strings that outlive the call.
    let moved = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            copy.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    });
    moved.map(drop).with_context(|| format!("mount on {}", shown(place)))
}

fn c_string(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).context("a path has a zero byte")
}
