// refused with: the quota when the process is moved

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::unistd::Pid;

const PERIOD: u64 = 100_000;

fn limit_cpu(cgroup: &Path, process: Pid, percent: u64) -> Result<()> {
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    let file = quota_file(cgroup);
    fs::write(file, (percent * PERIOD / 100).to_string())?;
    Ok(())
}

fn quota_file(cgroup: &Path) -> PathBuf {
    let v2 = cgroup.join("cpu.max");
    if v2.exists() { v2 } else { cgroup.join("cpu.cfs_quota_us") }
}
