// refused with: the state of process 1

use anyhow::{Result, bail};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

/// What process 1 does when it has started `program`: waits for its end, and returns its exit status. Whoever else
/// ends until then is no zombie for long.
fn reap(program: Pid) -> Result<i32> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(ended, status) if ended == program => return Ok(status),
            end if end.pid() == Some(program) => bail!("no exit status: {end:?}"),
            _ => {}
        }
    }
}
