// refused with: your function leaves

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};
fn container(parent: &Path, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::create_dir(cgroup.join("below"))?;
    fs::write(cgroup.join("pids.max"), limit.to_string())
        .with_context(|| format!("set the limit {limit}"))?;
    fs::write(cgroup.join("cgroup.procs"), "0").context("move to the cgroup")?;
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWIPC)?;
    Ok(())
}
