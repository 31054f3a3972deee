//! A socket in another network namespace.
//!
//! It takes capabilities in the user namespace that owns it. The caller has them there, being who has made it, but
//! they are of no use where the caller is: to enter a network namespace takes CAP_SYS_ADMIN in one's *own* user
//! namespace as well (setns(2)), and an ordinary user has none. So the user namespace is entered first, from
//! which there is no way back. That is for a helper, which ends when it has opened the socket.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::unistd::{Pid, pipe2, read, write};

use crate::retry;

/// Bytes of stack for the helper, which makes three system calls.
const STACK_SIZE: usize = 16 * 1024;

/// Returns a new netlink socket of the network namespace that `process` is in.
pub(crate) fn socket_in(process: Pid) -> nix::Result<OwnedFd> {
    let process = open_process(process)?;
    let (outcome, report) = pipe2(OFlag::O_CLOEXEC)?;
    let helper = || {
        let opened = enter_and_open(&process);
        // The socket's number, or the error's below zero. Nobody is left to tell if this fails.
        let said = opened.unwrap_or_else(|errno| -(errno as RawFd));
        let _ = write(&report, &said.to_ne_bytes());
        0
    };
    let mut stack = vec![0; STACK_SIZE];
    // CLONE_FILES: what the helper opens, this process has opened.
    // SAFETY: the helper has a copy of all memory, and only the thread that calls this. It makes no calls but
    // async-signal-safe ones, and allocates nothing.
    let helper = unsafe {
        clone(Box::new(helper), &mut stack, CloneFlags::CLONE_FILES, Some(libc::SIGCHLD))
    }?;
    // SAFETY: a null pointer stands for a status that nobody wants: wait(2).
    retry(|| Errno::result(unsafe { libc::waitpid(helper.as_raw(), std::ptr::null_mut(), 0) }))?;
    // Not before: the helper's descriptors are these. Without a report, there is an end of file now.
    drop(report);
    let mut said = [0; size_of::<RawFd>()];
    let length = retry(|| read(&outcome, &mut said))?;
    match RawFd::from_ne_bytes(said) {
        // Somebody has killed the helper.
        _ if length != said.len() => Err(Errno::EINTR),
        errno if errno < 0 => Err(Errno::from_raw(-errno)),
        // SAFETY: the helper has opened it, and has ended.
        socket => Ok(unsafe { OwnedFd::from_raw_fd(socket) }),
    }
}

/// Returns a descriptor for a process, which needs no /proc: pidfd_open(2), Linux 5.3.
fn open_process(process: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes no pointers.
    let opened = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0) });
    // SAFETY: the number is new, and nobody else's.
    opened.map(|opened| unsafe { OwnedFd::from_raw_fd(opened as RawFd) })
}

/// Enters the user namespace of a process, and then its network namespace: setns(2), with a descriptor of a
/// process since Linux 5.8. Makes only async-signal-safe calls.
fn enter_and_open(process: &OwnedFd) -> nix::Result<RawFd> {
    let namespaces = libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
    // SAFETY: neither call takes pointers.
    unsafe {
        Errno::result(libc::setns(process.as_raw_fd(), namespaces))?;
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        Errno::result(libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE))
    }
}
