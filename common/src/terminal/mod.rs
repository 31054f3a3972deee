//! A session and a terminal of the container's own.
//!
//! Were a container in the session of its caller, `kill 0` in it would reach the calling script and its jobs,
//! a full-screen program that is killed would leave the terminal raw, and a process in it could type into the
//! caller's shell (TIOCSTI, CVE-2017-5226). So the first process of a container leads a session of its own:
//! it is the [`leader`]. Where the caller has a [`Terminal`], the session has another one, a [`Pty`], and the
//! launcher is the [`relay`] between the two. So do sudo(8) with use_pty and `docker run -it`.
//!
//! ```text
//!   caller's shell     |  launcher  |  leader: ns_init   shell and its jobs
//!   caller's terminal <-> the relay <-> master : slave, 0, 1 and 2 of the container
//! ```
//!
//! The arrows between the files go one way: [`relay`] and [`session`] use the others, which don't know each other.

pub(crate) use caller::Terminal;
use pty::Pty;
pub(crate) use screen::Screen;
pub(crate) use session::Session;

mod caller;
pub(crate) mod console;
pub(crate) mod leader;
mod pty;
mod relay;
mod screen;
mod session;

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;

/// Calls ioctl(2) with a pointer to `argument`.
fn ioctl<T>(file: impl AsFd, request: libc::Ioctl, argument: &mut T) -> nix::Result<()> {
    // SAFETY: the requests of this module read or write one value of the type that its callers pass: tty_ioctl(4).
    Errno::result(unsafe { libc::ioctl(file.as_fd().as_raw_fd(), request, argument) }).map(drop)
}
