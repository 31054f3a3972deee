// refused with: what process 1 returns in the end
// refused with: it should show    42

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    loop {
        match wait()? {
            WaitStatus::Exited(ended, status) if ended == program => {
                let _ = status;
                return Ok(7);
            }
            end if end.pid() == Some(program) => bail!("no exit status: {end:?}"),
            _ => {}
        }
    }
}
