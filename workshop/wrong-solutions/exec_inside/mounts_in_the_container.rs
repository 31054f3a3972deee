// refused with: what your function leaves in a container
// refused with: mount

use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Command;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

/// Runs `program` in the UTS, mount and PID namespaces of `container`, and returns its exit status.
fn exec(container: Pid, program: &mut Command) -> Result<i32> {
    let container = pidfd_open(container)?;
    setns(
        container,
        CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID,
    )?;
    nix::mount::mount(
        Some("x"),
        "/proc/sys",
        Some("tmpfs"),
        nix::mount::MsFlags::empty(),
        None::<&str>,
    )?;
    let status = program.status()?;
    status.code().context("ended by a signal")
}

/// Returns a descriptor of a process: pidfd_open(2).
fn pidfd_open(process: Pid) -> Result<OwnedFd> {
    // SAFETY: it takes no pointer.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0) };
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(Errno::result(pidfd)? as i32) })
}
