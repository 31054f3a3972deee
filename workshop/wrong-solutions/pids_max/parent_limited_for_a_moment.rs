// refused with: if only for a moment
// refused with: a write to

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;
fn limit_processes(parent: &Path, process: Pid, limit: u32) -> Result<()> {
    let of_all = parent.join("pids.max");
    let before = fs::read_to_string(&of_all)?;
    fs::write(&of_all, limit.to_string())?;
    fs::write(&of_all, before.trim_end())?;
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("pids.max"), limit.to_string())?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    Ok(())
}
