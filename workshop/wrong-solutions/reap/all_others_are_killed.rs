// refused with: the number of its children that are left
// refused with: the kernel shows  0

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

fn reap(program: Pid) -> Result<i32> {
    loop {
        match wait()? {
            WaitStatus::Exited(ended, status) if ended == program => {
                let _ =
                    nix::sys::signal::kill(Pid::from_raw(-1), nix::sys::signal::Signal::SIGKILL);
                while wait().is_ok() {}
                return Ok(status);
            }
            end if end.pid() == Some(program) => bail!("no exit status: {end:?}"),
            _ => {}
        }
    }
}
