// refused with: a namespace that is none of your function's business
// refused with: net of process

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};

fn rename(process: Pid, name: &str) -> Result<()> {
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    nix::sched::unshare(CloneFlags::CLONE_NEWNET)?;
    Ok(())
}
