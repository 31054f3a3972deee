// refused with: the number of zombies while the program runs | Your function has not returned in 10 seconds

use anyhow::{Result, bail};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    // Signals that come while one is pending are lost: signal(7).
    let child = SigSet::from(Signal::SIGCHLD);
    let before = child.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let outcome = loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(ended, status) if ended == program => break Ok(status),
            end if end.pid() == Some(program) => break Err(end),
            _ => {}
        }
        child.wait()?;
    };
    before.thread_set_mask()?;
    match outcome {
        Ok(status) => Ok(status),
        Err(end) => bail!("no exit status: {end:?}"),
    }
}
