// refused with: a namespace that is none of your function's business

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

fn container(parent: &Path, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("pids.max"), limit.to_string())?;
    fs::write(cgroup.join("cgroup.procs"), "0")?;
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)?;
    Ok(())
}
