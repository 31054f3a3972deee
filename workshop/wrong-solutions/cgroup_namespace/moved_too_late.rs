// refused with: the container's path in /proc/self/cgroup | move to the cgroup
// refused with: /../ | No such file or directory

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

fn container(cgroup: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    fs::write(cgroup.join("cgroup.procs"), "0").context("move to the cgroup")?;
    Ok(())
}
