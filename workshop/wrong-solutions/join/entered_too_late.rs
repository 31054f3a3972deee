// refused with: the name of the host
// refused with: the name of the container

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};

fn rename(process: Pid, name: &str) -> Result<()> {
    sethostname(name)?;
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    Ok(())
}
