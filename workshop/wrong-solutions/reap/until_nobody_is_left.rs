// refused with: has not returned in 10 seconds

use anyhow::{Context, Result};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    let mut status = None;
    while let Ok(end) = wait() {
        match end {
            WaitStatus::Exited(ended, code) if ended == program => status = Some(code),
            _ => {}
        }
    }
    status.context("no exit status")
}
