//! A process by its descriptor, and a child.

use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;

use anyhow::{Context, Result};
use common::check::check;
use common::reexec::wait_for;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{ForkResult, Pid, fork};

/// Returns a descriptor of a process: pidfd_open(2), Linux 5.3.
///
/// # Errors
///
/// ESRCH where there is none of this id.
pub fn open(pid: u32) -> Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes no pointers.
    let opened = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) });
    // SAFETY: the number is new, and nobody else's.
    let opened = opened.map(|opened| unsafe { OwnedFd::from_raw_fd(opened as RawFd) });
    opened.with_context(|| format!("open process {pid}"))
}

/// Enters the namespaces of a process, all at once: setns(2) with a descriptor of a process, Linux 5.8.
///
/// The kernel enters the user namespace first, so that the others may be entered with the capabilities in that.
/// With the mount namespace come its root directory and the working directory.
///
/// # Errors
///
/// EPERM where one of them belongs to a user namespace that the caller has no capabilities in.
pub fn enter(pid: u32) -> Result<()> {
    let kinds = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID;
    let process = open(pid)?;
    setns(process.as_fd(), kinds).with_context(|| format!("enter the namespaces of process {pid}"))
}

/// Runs `life` in a child, and returns its exit status, or 128+n where signal n has ended it.
///
/// # Errors
///
/// Those of fork(2). An error of the child is logged by the child.
pub fn in_child(life: impl FnOnce() -> Result<ExitCode>) -> Result<ExitCode> {
    // SAFETY: this process has one thread.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => exit(check(life())),
        ForkResult::Parent { child } => status_of(child),
    }
}

/// Ends a child that has failed to become a program.
pub fn exit(_logged: ExitCode) -> ! {
    // The parent's buffers are not this process' to write.
    // SAFETY: _exit(2) takes no pointers, and returns to nobody.
    unsafe { libc::_exit(1) }
}

/// Waits for a child, and returns its exit status.
pub fn status_of(child: Pid) -> Result<ExitCode> {
    let (_, status) = wait_for(Some(child))?;
    Ok(status)
}
