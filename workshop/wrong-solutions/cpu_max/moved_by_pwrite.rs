// refused with: the quota when the process is moved

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::unistd::Pid;

/// The period that a new cgroup has, in microseconds.
const PERIOD: u64 = 100_000;

/// Moves `process` to `cgroup`, whose processes together get at most so many percent of one processor.
fn limit_cpu(cgroup: &Path, process: Pid, percent: u64) -> Result<()> {
    let file = quota_file(cgroup);
    use std::os::unix::fs::FileExt;
    fs::OpenOptions::new().write(true).open(cgroup.join("cgroup.procs"))?.write_at(process.to_string().as_bytes(), 0)?;
    fs::write(file, (percent * PERIOD / 100).to_string())?;
    Ok(())
}

/// Returns the file for the quota. That of v2 shows the period as well, and leaves it when one number is written.
fn quota_file(cgroup: &Path) -> PathBuf {
    let v2 = cgroup.join("cpu.max");
    if v2.exists() { v2 } else { cgroup.join("cpu.cfs_quota_us") }
}
