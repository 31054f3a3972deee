// refused with: what your function leaves on the host
// refused with: + process:

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};
fn rename(process: Pid, name: &str) -> Result<()> {
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL)?;
    Ok(())
}
