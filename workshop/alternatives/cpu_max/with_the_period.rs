// cpu.max takes the period as well.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::unistd::Pid;

const PERIOD: u64 = 100_000;

fn limit_cpu(cgroup: &Path, process: Pid, percent: u64) -> Result<()> {
    let file = quota_file(cgroup);
    let quota = percent * PERIOD / 100;
    let v2 = file.ends_with("cpu.max");
    fs::write(file, if v2 { format!("{quota} {PERIOD}") } else { quota.to_string() })?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    Ok(())
}

fn quota_file(cgroup: &Path) -> PathBuf {
    let v2 = cgroup.join("cpu.max");
    if v2.exists() { v2 } else { cgroup.join("cpu.cfs_quota_us") }
}
