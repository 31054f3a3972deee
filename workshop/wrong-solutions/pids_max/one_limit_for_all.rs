// refused with: pids.max when the process is moved
// refused with: the kernel shows  5

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;

fn limit_processes(parent: &Path, process: Pid, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("pids.max"), limit.min(5).to_string())?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    Ok(())
}
