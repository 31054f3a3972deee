// refused with: if only for a moment
// refused with: sethostname(2)

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};
fn rename(process: Pid, name: &str) -> Result<()> {
    let before = nix::unistd::gethostname()?;
    sethostname(name)?;
    sethostname(&before)?;
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}
