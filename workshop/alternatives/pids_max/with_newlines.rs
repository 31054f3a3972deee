// As `echo` writes it.

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;

fn limit_processes(parent: &Path, process: Pid, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join("pids.max"), format!("{limit}\n"))?;
    fs::write(cgroup.join("cgroup.procs"), format!("{process}\n"))?;
    Ok(())
}
