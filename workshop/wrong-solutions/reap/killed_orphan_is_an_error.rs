// refused with: Your function has returned an error: no exit status
// refused with: SIGTERM

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    loop {
        match wait()? {
            WaitStatus::Exited(ended, status) if ended == program => return Ok(status),
            WaitStatus::Exited(..) => {}
            end => bail!("no exit status: {end:?}"),
        }
    }
}
