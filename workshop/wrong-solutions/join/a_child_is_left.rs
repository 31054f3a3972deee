// refused with: what your function leaves on the host
// refused with: + child: sleep

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};
fn rename(process: Pid, name: &str) -> Result<()> {
    std::process::Command::new("sleep").arg("60").spawn()?;
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}
