// refused with: pids.max of the host's cgroups
// refused with: 5 max

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;

fn limit_processes(parent: &Path, process: Pid, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(parent.join("pids.max"), limit.to_string())?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    Ok(())
}
