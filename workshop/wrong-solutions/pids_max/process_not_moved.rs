// refused with: the cgroup of the container
// refused with: /../host

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;

fn limit_processes(parent: &Path, process: Pid, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("pids.max"), limit.to_string())?;
    Ok(())
}
