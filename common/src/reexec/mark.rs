//! How the second life of a program is told from the first: by a descriptor that nobody has by accident.
//!
//! It is a socket with a message in it, which names an entry point. File names, arguments and signal masks count for
//! nothing, so whoever starts the program by hand begins at the beginning, however they do it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;

use crate::host_facts::Caller;
use crate::terminal::{console, leader};

/// The number of the descriptor: the first one after standard input, output and error.
const DESCRIPTOR: RawFd = 3;

/// What the message begins with. Then come the name of the entry point, and in lines of their own that of the terminal,
/// and who has started this.
const PREFIX: &str = "entry point ";

/// More bytes than any of these messages has.
const SIZE: usize = 256;

/// Returns the two ends of a socket: one for this process, and one for its child, which does not have its number yet.
/// It marks a second life where there is an entry point. A child that leads a session talks through it.
///
/// - `terminal`: the name of the terminal that the child is to keep for its root directory.
pub(super) fn pair(
    entry_point: Option<&str>,
    terminal: Option<&str>,
) -> Result<(OwnedFd, OwnedFd)> {
    let marked = || -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (ours, theirs) = UnixDatagram::pair()?;
        if let Some(name) = entry_point {
            let caller = Caller::get().to_word();
            let lines = [PREFIX, name, "\n", terminal.unwrap_or_default(), "\n", &caller];
            ours.send(lines.concat().as_bytes())?;
        }
        Ok((ours, theirs))
    };
    let (ours, theirs) = marked().context("make a socket for the child")?;
    Ok((ours.into(), leave_number(theirs.into())?))
}

/// Returns the descriptor with another number than the mark's, so that [`keep`] doesn't close it.
pub(super) fn leave_number(descriptor: OwnedFd) -> Result<OwnedFd> {
    if descriptor.as_raw_fd() != DESCRIPTOR {
        return Ok(descriptor);
    }
    let copy = fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(DESCRIPTOR + 1));
    // SAFETY: the number is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(copy.context("copy a descriptor")?) })
}

/// Gives the socket `mark` its number, with which it stays open over execve: dup2(2). Makes only
/// async-signal-safe calls.
pub(super) fn keep(mark: RawFd) -> nix::Result<()> {
    // SAFETY: dup2(2) takes no pointers. What has had this number is closed, and nobody is left to use it: the
    // caller is about to call execve.
    Errno::result(unsafe { libc::dup2(mark, DESCRIPTOR) }).map(drop)
}

/// Returns the name of the entry point that [`command`](super::command) has started this process at, and
/// `None` in a first life. The mark can be taken once.
pub fn take() -> Option<String> {
    let mut message = [0; SIZE];
    // Whatever has this number may be the caller's: the message stays there, and nothing waits for one.
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: recv(2) writes at most SIZE bytes, to an array of that size, and fails where there is no socket.
    let length =
        Errno::result(unsafe { libc::recv(DESCRIPTOR, message.as_mut_ptr().cast(), SIZE, flags) });
    let message = message.get(..usize::try_from(length.ok()?).ok()?)?;
    let names = std::str::from_utf8(message).ok()?.strip_prefix(PREFIX)?;
    let (name, rest) = names.split_once('\n')?;
    let (terminal, caller) = rest.split_once('\n')?;
    // SAFETY: with such a message it is the mark, which nothing else in this process uses.
    let mark = unsafe { OwnedFd::from_raw_fd(DESCRIPTOR) };
    fcntl(&mark, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    // SAFETY: recv(2) writes nothing, and drops the message, which was read above.
    Errno::result(unsafe { libc::recv(DESCRIPTOR, std::ptr::null_mut(), 0, libc::MSG_DONTWAIT) })
        .ok()?;
    leader::adopt(mark);
    Caller::inherit(caller);
    if !terminal.is_empty() {
        console::keep(terminal);
    }
    Some(name.to_owned())
}
