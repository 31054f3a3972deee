// refused with: the number of zombies while the program runs

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    loop {
        match waitpid(program, None)? {
            WaitStatus::Exited(_, status) => return Ok(status),
            end => bail!("no exit status: {end:?}"),
        }
    }
}
