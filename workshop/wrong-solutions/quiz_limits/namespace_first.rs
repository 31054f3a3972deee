// refused with: the container's path in /proc/self/cgroup | has returned an error

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

fn container(parent: &Path, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWIPC)?;
    fs::write(cgroup.join("pids.max"), limit.to_string())?;
    fs::write(cgroup.join("cgroup.procs"), "0")?;
    Ok(())
}
