// refused with: if only for a moment
// refused with: mnt

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};
fn rename(process: Pid, name: &str) -> Result<()> {
    let (own, other) =
        (File::open("/proc/self/ns/mnt")?, File::open(format!("/proc/{process}/ns/mnt"))?);
    setns(other, CloneFlags::CLONE_NEWNS)?;
    setns(own, CloneFlags::CLONE_NEWNS)?;
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}
