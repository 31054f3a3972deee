//! What becomes of a container whose launcher is killed with SIGKILL.
//!
//! Its first process has asked to die with its parent (PR_SET_PDEATHSIG). But root in the container may trace it, and make
//! it take that back. Nor would anybody be left to set the caller's terminal back from raw. So there is one more
//! process, outside, where the container can't see it. It does nothing until the launcher is gone.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2, read, setsid};

use super::failure::{Call, Step};
use crate::terminal::{Session, leader};

/// The process that outlives its launcher. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Guard {
    pid: Pid,
    /// Closed when the launcher is gone.
    _life: OwnedFd,
}

impl Guard {
    /// Starts one for the container whose first process is `child`.
    ///
    /// # Errors
    ///
    /// pidfd_open(2), Linux 5.3; fork(2).
    pub(super) fn start(child: Pid, session: &Session) -> Result<Guard> {
        let container =
            pidfd_open(child).context(Step::Unprivileged("open the container's first process"))?;
        let (watched, life) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        // SAFETY: fork(2) gives the child a copy of all memory. It makes only async-signal-safe calls.
        match Errno::result(unsafe { libc::fork() }).context(Step::Prepare(Call::Fork))? {
            0 => {
                let terminal =
                    session.terminal().map_or(-1, |terminal| terminal.as_fd().as_raw_fd());
                close_all_but([watched.as_raw_fd(), container.as_raw_fd(), terminal]);
                guard(&watched, &container, session);
                // SAFETY: _exit(2) has no conditions.
                unsafe { libc::_exit(0) }
            }
            pid => Ok(Guard { pid: Pid::from_raw(pid), _life: life }),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Both fail only if it is gone, which is what they are for.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = leader::wait_for(Some(self.pid));
    }
}

/// Waits for the launcher's end, in a session that nobody else signals, and puts an end to the rest.
fn guard(watched: &OwnedFd, container: &OwnedFd, session: &Session) {
    // Whoever ends the launcher by its name does not mean this.
    let _ = prctl::set_name(c"guard");
    let _ = setsid();
    while read(watched, &mut [0]) == Err(Errno::EINTR) {}
    if let Some(terminal) = session.terminal() {
        terminal.restore_if_raw();
    }
    // SAFETY: with a null pointer the kernel says who sends the signal: pidfd_send_signal(2).
    unsafe {
        let (descriptor, none) = (container.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
        libc::syscall(libc::SYS_pidfd_send_signal, descriptor, libc::SIGKILL, none, 0);
    }
}

/// Returns a descriptor of a process, which can be read from when that has ended: pidfd_open(2), Linux 5.3.
///
/// # Errors
///
/// ESRCH where there is none of this id; EMFILE; EPERM or ENOSYS from a filter.
pub fn pidfd_open(pid: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes no pointers.
    let descriptor =
        Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    // SAFETY: the number is new, and nobody else's. (Its close-on-exec flag is always set.)
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) })
}

/// Closes all descriptors but these: whoever waits for the end of a pipe is not to wait for this process. -1 stands
/// for none.
pub(super) fn close_all_but<const N: usize>(mut kept: [RawFd; N]) {
    kept.sort_unstable();
    let mut first: libc::c_uint = 0;
    for descriptor in kept.into_iter().filter_map(|number| libc::c_uint::try_from(number).ok()) {
        close_range(first, descriptor.checked_sub(1));
        first = descriptor + 1;
    }
    close_range(first, Some(libc::c_uint::MAX));
}

fn close_range(first: libc::c_uint, last: Option<libc::c_uint>) {
    if let Some(last) = last.filter(|last| first <= *last) {
        // SAFETY: close_range(2) takes no pointers, and the callers use nothing of what it closes.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}
