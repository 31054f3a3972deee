// The two namespaces one by one, and the process by its number.

use std::fs;
use std::path::Path;
use std::process;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

fn container(parent: &Path, limit: u32) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWIPC)?;
    let cgroup = parent.join("container");
    fs::create_dir_all(&cgroup)?;
    fs::write(cgroup.join("pids.max"), format!("{limit}\n"))?;
    fs::write(cgroup.join("cgroup.procs"), format!("{}\n", process::id()))?;
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    Ok(())
}
