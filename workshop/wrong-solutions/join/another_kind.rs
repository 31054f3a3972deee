// refused with: Your function has returned an error: EINVAL

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};

fn rename(process: Pid, name: &str) -> Result<()> {
    let namespace = File::open(format!("/proc/{process}/ns/mnt"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}
