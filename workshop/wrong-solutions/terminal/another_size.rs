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
    unsafe {
        libc::ioctl(
            terminal.as_raw_fd(),
            libc::TIOCSWINSZ,
            &libc::winsize { ws_row: 1, ws_col: 1, ws_xpixel: 0, ws_ypixel: 0 },
        )
    };
    // SAFETY: the third argument is a number.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: it takes no pointers.
        Errno::result(unsafe { libc::dup2(terminal.as_raw_fd(), stream) })?;
    }
    Ok(())
}
