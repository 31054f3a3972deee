// refused with: limit: 

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;

/// Makes the child `container` of the cgroup `parent`, for at most `limit` processes, and moves `process` there.
fn limit_processes(parent: &Path, process: Pid, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("pids.max"), limit.to_string())?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    fs::write(parent.join("notify_on_release"), "1")?;
    Ok(())
}
