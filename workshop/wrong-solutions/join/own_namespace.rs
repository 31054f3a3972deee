// refused with: the name of the host
// refused with: the kernel shows  kitchen

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};

fn rename(_: Pid, name: &str) -> Result<()> {
    setns(File::open("/proc/self/ns/uts")?, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}
