// refused with: pids.max when the process is moved

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;

/// Makes the child `container` of the cgroup `parent`, for at most `limit` processes, and moves `process` there.
fn limit_processes(parent: &Path, process: Pid, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("pids.max"), limit.min(1000).to_string())?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    Ok(())
}
