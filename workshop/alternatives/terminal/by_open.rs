// Who leads a session without a terminal, and opens one, has it.

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::setsid;

fn take(terminal: &File) -> Result<()> {
    setsid()?;
    let path = format!("/proc/self/fd/{}", terminal.as_raw_fd());
    File::options().read(true).write(true).open(path)?;
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: it takes no pointers.
        Errno::result(unsafe { libc::dup2(terminal.as_raw_fd(), stream) })?;
    }
    Ok(())
}
