// refused with: the settings and the size of the terminal

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::setsid;

/// Makes this process the first one of a session of its own, with this terminal, and with it as its standard streams.
fn take(terminal: &File) -> Result<()> {
    setsid()?;
    // SAFETY: the third argument is a number.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        libc::tcgetattr(terminal.as_raw_fd(), &mut settings);
        libc::cfmakeraw(&mut settings);
        libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, &settings);
    }
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: it takes no pointers.
        Errno::result(unsafe { libc::dup2(terminal.as_raw_fd(), stream) })?;
    }
    Ok(())
}
