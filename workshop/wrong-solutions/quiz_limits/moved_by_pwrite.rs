// refused with: pids.max when the process is moved

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

/// Moves this process to the new child `container` of the cgroup `parent`, which can have `limit` processes, and into
/// namespaces for what it sees of cgroups and queues.
fn container(parent: &Path, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    use std::os::unix::fs::FileExt;
    fs::OpenOptions::new().write(true).open(cgroup.join("cgroup.procs"))?.write_at("0".as_bytes(), 0)?;
    fs::write(cgroup.join("pids.max"), limit.to_string())
        .with_context(|| format!("set the limit {limit}"))?;
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWIPC)?;
    Ok(())
}
