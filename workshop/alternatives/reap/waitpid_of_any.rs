// waitpid(2) of -1 is wait(2).

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    loop {
        let end = waitpid(Pid::from_raw(-1), None)?;
        if end.pid() != Some(program) {
            continue;
        }
        let WaitStatus::Exited(_, status) = end else { bail!("no exit status: {end:?}") };
        return Ok(status);
    }
}
