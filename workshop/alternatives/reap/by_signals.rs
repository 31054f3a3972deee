// SIGCHLD says that at least one has ended: so all that have are asked for.

use anyhow::{Result, bail};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    let child = SigSet::from(Signal::SIGCHLD);
    let before = child.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let outcome = 'all: loop {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive => break,
                end if end.pid() == Some(program) => break 'all end,
                _ => {}
            }
        }
        child.wait()?;
    };
    before.thread_set_mask()?;
    match outcome {
        WaitStatus::Exited(_, status) => Ok(status),
        end => bail!("no exit status: {end:?}"),
    }
}
