// refused with: pids.max when the process is moved

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

fn container(parent: &Path, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("cgroup.procs"), "0")?;
    fs::write(cgroup.join("pids.max"), limit.to_string())?;
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWIPC)?;
    Ok(())
}
