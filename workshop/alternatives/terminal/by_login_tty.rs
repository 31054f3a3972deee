// The C library has all of it in one function: login_tty(3).

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;

fn take(terminal: &File) -> Result<()> {
    // SAFETY: it takes no pointer. It closes the descriptor, so that it gets one of its own.
    Errno::result(unsafe { libc::login_tty(libc::dup(terminal.as_raw_fd())) })?;
    Ok(())
}
