// refused with: what process 1 returns in the end
// refused with: the kernel shows  3

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

fn reap(_: Pid) -> Result<i32> {
    loop {
        if let WaitStatus::Exited(_, status) = wait()? {
            return Ok(status);
        }
    }
}
