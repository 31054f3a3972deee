// refused with: the name of the container
// refused with: the kernel shows  xxxxxxxx

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};

/// Renames the container that `process` is in. It is entered for that, but only its UTS namespace.
fn rename(process: Pid, name: &str) -> Result<()> {
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    // As some buffers of eight bytes do.
    sethostname(&name[..name.len().min(8)])?;
    Ok(())
}
