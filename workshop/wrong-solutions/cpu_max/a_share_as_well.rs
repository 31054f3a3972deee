// refused with: what your function leaves on the host
// refused with: container's limit

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::unistd::Pid;

/// The period that a new cgroup has, in microseconds.
const PERIOD: u64 = 100_000;

/// Moves `process` to `cgroup`, whose processes together get at most so many percent of one processor.
fn limit_cpu(cgroup: &Path, process: Pid, percent: u64) -> Result<()> {
    let file = quota_file(cgroup);
    for (name, share) in [("cpu.weight", "7"), ("cpu.shares", "7")] {
        let share_file = cgroup.join(name);
        if share_file.exists() {
            fs::write(share_file, share)?;
        }
    }
    fs::write(file, (percent * PERIOD / 100).to_string())?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    Ok(())
}

/// Returns the file for the quota. That of v2 shows the period as well, and leaves it when one number is written.
fn quota_file(cgroup: &Path) -> PathBuf {
    let v2 = cgroup.join("cpu.max");
    if v2.exists() { v2 } else { cgroup.join("cpu.cfs_quota_us") }
}
