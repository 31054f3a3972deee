//! /dev/console: a name for the container's terminal, from stage 04 on.
//!
//! A terminal is a file of the devpts where it was opened, and that one stays outside. tty(1) then says "not a tty", and
//! ssh(1) and others can't do without a name. Engines mount the terminal on /dev/console, and so do we. It is a
//! convenience: where it can't be done, the terminal has no name.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::libc;
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};

use super::leader;

/// The terminal, as a mount that is in no place yet.
static CONSOLE: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Keeps the terminal of this session, whose name is `path` here, for a root directory where it has none. Only for a
/// mount namespace of the container's own.
pub(crate) fn keep(path: &str) {
    match detached(path) {
        Ok(mount) => *CONSOLE.lock().expect("there is one thread") = Some(mount),
        Err(error) => log::debug!("{error:#}"),
    }
}

/// Mounts the terminal on /dev/console, once the root directory is the container's.
pub(crate) fn put_into_place() {
    let mount = CONSOLE.lock().expect("there is one thread").take();
    if let Some(Err(error)) = mount.map(attach) {
        log::debug!("{error:#}");
    }
}

/// Returns a bind mount of the terminal: open_tree(2), Linux 5.2. By its name, since a descriptor from outside leads
/// to a mount of another namespace, which can't be bound here.
fn detached(path: &str) -> Result<OwnedFd> {
    let terminal = fstat(leader::terminal()).context("look at the terminal")?;
    let named = fs::metadata(path).with_context(|| format!("look at {path}"))?;
    let is_same = (named.dev(), named.ino()) == (terminal.st_dev, terminal.st_ino);
    ensure!(is_same, "{path} is another terminal here");
    let path = CString::new(path).context("a zero byte")?;
    let flags = libc::OPEN_TREE_CLONE | libc::O_CLOEXEC as libc::c_uint;
    // SAFETY: open_tree(2) reads a string, which is there.
    let mount = Errno::result(unsafe {
        libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags)
    });
    // SAFETY: the number is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(mount.context("copy the mount of the terminal")? as i32) })
}

/// Puts the mount into its place, if that is in a tmpfs of the container's: move_mount(2), Linux 5.2.
fn attach(mount: OwnedFd) -> Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let dev = open("/dev", flags, Mode::empty()).context("open /dev")?;
    ensure!(fstatfs(&dev)?.filesystem_type() == TMPFS_MAGIC, "/dev is no tmpfs");
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    openat(&dev, "console", flags, Mode::S_IRUSR).context("make /dev/console")?;
    // SAFETY: move_mount(2) reads two strings, which are there.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            dev.as_fd().as_raw_fd(),
            c"console".as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
    .context("mount /dev/console")
}
