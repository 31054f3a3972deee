// refused with: what your function changes of its own process
// refused with: + own descriptor

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::setsid;
fn take(terminal: &File) -> Result<()> {
    setsid()?;
    std::mem::forget(terminal.try_clone()?);
    // SAFETY: the third argument is a number.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: it takes no pointers.
        Errno::result(unsafe { libc::dup2(terminal.as_raw_fd(), stream) })?;
    }
    Ok(())
}
