// refused with: Your function has returned an error

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;
fn reap(program: Pid) -> Result<i32> {
    loop {
        match nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WUNTRACED))? {
            WaitStatus::Exited(ended, status) if ended == program => return Ok(status),
            end if end.pid() == Some(program) => bail!("no exit status: {end:?}"),
            WaitStatus::Stopped(..) => bail!("it has not ended"),
            _ => {}
        }
    }
}
