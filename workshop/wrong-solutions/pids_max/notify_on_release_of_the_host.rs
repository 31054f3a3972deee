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
    // On v1 and on v2.
    for (file, text) in [("notify_on_release", "1"), ("cgroup.max.descendants", "100")] {
        if parent.join(file).exists() {
            fs::write(parent.join(file), text)?;
        }
    }
    Ok(())
}
