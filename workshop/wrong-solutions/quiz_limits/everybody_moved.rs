// refused with: the processes in that cgroup

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

fn container(parent: &Path, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("pids.max"), limit.to_string())?;
    for line in fs::read_to_string(parent.join("../host/cgroup.procs"))?.lines() {
        let _ = fs::write(cgroup.join("cgroup.procs"), line);
    }
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWIPC)?;
    Ok(())
}
