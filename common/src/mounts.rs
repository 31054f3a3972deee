//! Mounts by descriptor, for which the crate nix has no functions yet.
//!
//! A path is looked up anew by each call, and leads elsewhere when somebody who may write to a directory of it puts a
//! symbolic link there. A descriptor stays with what was opened. So a mount point is opened once, without following
//! a link, and everything is mounted on that.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open, openat};
use nix::libc;
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::diagnosis::{Cause, Known};

/// A directory that something is mounted on, open.
#[derive(Debug)]
pub struct MountPoint(OwnedFd);

impl MountPoint {
    /// Opens the directory `name` of the current directory.
    ///
    /// # Errors
    ///
    /// open(2): ENOTDIR where `name` is a symbolic link.
    pub fn open(name: &str) -> Result<MountPoint> {
        MountPoint::open_in(AT_FDCWD, name)
    }

    /// Opens the directory `name` of the directory `parent`.
    ///
    /// # Errors
    ///
    /// Those of [`MountPoint::open`].
    pub fn open_in(parent: impl AsFd, name: &str) -> Result<MountPoint> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let opened = openat(parent, name, flags, Mode::empty());
        opened.map(MountPoint).with_context(|| format!("open the mount point {name}"))
    }

    /// Unmounts what was mounted last on this directory, which was opened as `name` in the directory `parent`; nothing
    /// where nothing is mounted. What a process is using (EBUSY) is taken from its place as well: MNT_DETACH.
    ///
    /// # Errors
    ///
    /// umount(2), but for EPERM: who may not unmount has not mounted either.
    pub fn unmount_last(self, parent: impl AsFd, name: &str) -> Result<()> {
        let mut last = self;
        let mut seen = None;
        loop {
            match umount2(&last.path(), MntFlags::MNT_DETACH) {
                Ok(()) | Err(Errno::EPERM) => return Ok(()),
                // It is no mount; or it was one, perhaps when it was opened, which somebody else has unmounted. Then there
                // may be another one in its place.
                Err(Errno::EINVAL) => {}
                Err(errno) => return Err(errno).with_context(|| format!("unmount {name}")),
            }
            let Ok(reopened) = MountPoint::open_in(&parent, name) else { return Ok(()) };
            let device = fstat(&reopened.0).with_context(|| format!("look at {name}"))?.st_dev;
            if seen.replace(device) == Some(device) {
                return Ok(());
            }
            last = reopened;
        }
    }

    /// A path that leads there as long as this lives, whatever becomes of its name: proc_pid_fd(5).
    pub fn path(&self) -> PathBuf {
        path(&self.0)
    }
}

/// Returns a path that leads to what a descriptor is open for.
pub fn path(descriptor: &impl AsRawFd) -> PathBuf {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd()).into()
}

/// Opens the device `name` of the host's /dev, for a bind mount.
///
/// # Errors
///
/// open(2): ENOENT where there is none. [`Cause::NoDevice`] where it is no character device: a file would keep what the
/// container writes to it.
pub fn open_device(name: &str) -> Result<OwnedFd> {
    let path = Path::new("/dev").join(name);
    let device = open(&path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .with_context(|| format!("open {}", path.display()))?;
    let mode = fstat(&device).with_context(|| format!("look at {}", path.display()))?.st_mode;
    let is_device = SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
    ensure!(is_device, Known::new(Cause::NoDevice, format!("{} is no device", path.display())));
    Ok(device)
}

/// Makes a new, empty file in the directory `parent`, for something to be mounted on.
///
/// # Errors
///
/// open(2): EEXIST where there is anything of that name, a symbolic link included.
pub fn make_file(parent: &OwnedFd, name: &str) -> Result<File> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o666).open(path(parent).join(name));
    made.with_context(|| format!("make {name}"))
}

/// Binds the current directory to itself, with all mounts below, and returns the new mount's root: open_tree(2) and
/// move_mount(2), Linux 5.2.
///
/// # Errors
///
/// EPERM without CAP_SYS_ADMIN, and others of these two.
pub fn bind_current_directory() -> nix::Result<OwnedFd> {
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: the pointer is to a C string that lives as long as the program.
    let copy = descriptor(unsafe {
        libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c".".as_ptr(), flags)
    })?;
    // SAFETY: as above, for both strings.
    Errno::result(unsafe {
        let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
        let (from, to) = (c"".as_ptr(), c".".as_ptr());
        libc::syscall(libc::SYS_move_mount, copy.as_raw_fd(), from, libc::AT_FDCWD, to, flags)
    })?;
    Ok(copy)
}

/// Mounts a new tmpfs, nosuid, and returns its root.
///
/// - `source`: what /proc/mounts calls it.
/// - `options`: those of tmpfs(5), names and values.
///
/// # Errors
///
/// Those of [`detached`], and of move_mount(2).
pub fn mount_tmpfs(
    source: &str,
    options: &[(&str, &str)],
    on: &MountPoint,
) -> nix::Result<OwnedFd> {
    let options = [&[("source", source)], options].concat();
    let root = detached(c"tmpfs", &options, libc::MOUNT_ATTR_NOSUID)?;
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let (none, on) = (c"".as_ptr(), on.0.as_raw_fd());
    // SAFETY: the pointers are to a C string that lives as long as the program.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_move_mount, root.as_raw_fd(), none, on, none, flags)
    })?;
    Ok(root)
}

/// Makes a mount that is in no place yet, and returns its root: fsopen(2), fsconfig(2) and fsmount(2), Linux 5.2.
///
/// - `kind`: the type of file system.
/// - `options`: those of the file system, names and values.
/// - `attributes`: `MOUNT_ATTR_*`, those of mount_setattr(2).
///
/// # Errors
///
/// EPERM without CAP_SYS_ADMIN, and others of these three.
pub fn detached(kind: &CStr, options: &[(&str, &str)], attributes: u64) -> nix::Result<OwnedFd> {
    // SAFETY: the pointer is to a C string that lives until the call returns.
    let context = descriptor(unsafe {
        libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC)
    })?;
    for (key, value) in options {
        let [key, value] = [*key, *value].map(|text| CString::new(text).map_err(|_| Errno::EINVAL));
        configure(&context, libc::FSCONFIG_SET_STRING, Some((&key?, &value?)))?;
    }
    configure(&context, libc::FSCONFIG_CMD_CREATE, None)?;
    // SAFETY: fsmount(2) takes no pointers.
    descriptor(unsafe {
        let flags = libc::FSMOUNT_CLOEXEC;
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), flags, attributes)
    })
}

/// fsconfig(2), with a key and its value or with neither.
fn configure(
    context: &OwnedFd,
    command: libc::c_uint,
    option: Option<(&CString, &CString)>,
) -> nix::Result<()> {
    let null = std::ptr::null();
    let (key, value) = option.map_or((null, null), |(key, value)| (key.as_ptr(), value.as_ptr()));
    // SAFETY: both pointers are null, or to C strings that live until the call returns.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0)
    })
    .map(drop)
}

/// Returns the descriptor that a system call has made.
fn descriptor(result: libc::c_long) -> nix::Result<OwnedFd> {
    // SAFETY: the number is new, and nobody else's.
    Errno::result(result).map(|number| unsafe { OwnedFd::from_raw_fd(number as RawFd) })
}
