// refused with: pids.max of that cgroup
// refused with: the number of the container's children

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;

fn limit_processes(parent: &Path, process: Pid, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    Ok(())
}
