// refused with: Your function has returned an error: ECHILD

use anyhow::{Result, bail};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    // No child becomes a zombie then: wait(2), notes. The program does not either.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
    match waitpid(program, None)? {
        WaitStatus::Exited(_, status) => Ok(status),
        end => bail!("no exit status: {end:?}"),
    }
}
