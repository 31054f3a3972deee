// refused with: if only for a moment

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};

/// Renames the container that `process` is in. It is entered for that, but only its UTS namespace.
fn rename(process: Pid, name: &str) -> Result<()> {
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGSTOP)?;
    sethostname(name)?;
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGCONT)?;
    Ok(())
}
