// refused with: Your function has ended its process | has been ended by a signal

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::setsid;
fn take(terminal: &File) -> Result<()> {
    setsid()?;
    std::process::exit(0);
    // SAFETY: the third argument is a number.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: it takes no pointers.
        Errno::result(unsafe { libc::dup2(terminal.as_raw_fd(), stream) })?;
    }
    Ok(())
}
