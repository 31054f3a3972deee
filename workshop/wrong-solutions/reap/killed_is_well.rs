// refused with: what process 1 returns when a signal has ended the program

use anyhow::Result;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

/// What process 1 does when it has started `program`: waits for its end, and returns its exit status. Whoever else
/// ends until then is no zombie for long.
fn reap(program: Pid) -> Result<i32> {
    loop {
        match wait()? {
            WaitStatus::Exited(ended, status) if ended == program => return Ok(status),
            end if end.pid() == Some(program) => return Ok(0),
            _ => {}
        }
    }
}
