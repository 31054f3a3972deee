// refused with: what your function changes of its own process
// refused with: + own SigBlk

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};
fn rename(process: Pid, name: &str) -> Result<()> {
    nix::sys::signal::SigSet::all().thread_block()?;
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}
