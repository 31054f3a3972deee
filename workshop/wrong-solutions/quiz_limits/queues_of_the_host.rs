// refused with: setting: 

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

/// Moves this process to the new child `container` of the cgroup `parent`, which can have `limit` processes, and into
/// namespaces for what it sees of cgroups and queues.
fn container(parent: &Path, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("pids.max"), limit.to_string())
        .with_context(|| format!("set the limit {limit}"))?;
    fs::write(cgroup.join("cgroup.procs"), "0").context("move to the cgroup")?;
    fs::write("/proc/sys/kernel/msgmnb", "2")?;
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWIPC)?;
    Ok(())
}
