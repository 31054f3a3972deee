// refused with: what your function changes of its own process
// refused with: + own Threads: 2

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;
fn reap(program: Pid) -> Result<i32> {
    std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(60)));
    loop {
        match wait()? {
            WaitStatus::Exited(ended, status) if ended == program => return Ok(status),
            end if end.pid() == Some(program) => bail!("no exit status: {end:?}"),
            _ => {}
        }
    }
}
