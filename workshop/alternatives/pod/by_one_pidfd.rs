// All three by one descriptor of the process.

use std::os::fd::{FromRawFd, OwnedFd};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::Pid;

const NONE: Option<&str> = None;

fn join(pause: Pid) -> Result<()> {
    // SAFETY: it takes no pointer.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pause.as_raw(), 0) };
    // SAFETY: the kernel has just made this descriptor for us.
    let pause = unsafe { OwnedFd::from_raw_fd(Errno::result(pidfd)? as i32) };
    setns(pause, CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    Ok(())
}
