// refused with: the number of zombies while the program runs

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;
fn reap(program: Pid) -> Result<i32> {
    loop {
        match nix::sys::wait::waitpid(Pid::from_raw(0), None)? {
            WaitStatus::Exited(ended, status) if ended == program => return Ok(status),
            end if end.pid() == Some(program) => bail!("no exit status: {end:?}"),
            _ => {}
        }
    }
}
