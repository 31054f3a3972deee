// refused with: the number of zombies while the program runs

use anyhow::{Result, bail};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    let WaitStatus::Exited(_, status) = waitpid(program, None)? else { bail!("no exit status") };
    while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) =
        waitpid(None, Some(WaitPidFlag::WNOHANG))
    {}
    Ok(status)
}
