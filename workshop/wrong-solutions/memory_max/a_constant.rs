// refused with: what `killed` has returned for a new cgroup

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd::Pid;

fn limit_memory(cgroup: &Path, process: Pid, bytes: u64) -> Result<()> {
    let files = files(cgroup);
    fs::write(cgroup.join(files.memory), bytes.to_string())?;
    fs::write(cgroup.join(files.swap), (files.no_swap)(bytes).to_string())?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    Ok(())
}

fn killed(cgroup: &Path) -> Result<u64> {
    let _ = cgroup;
    Ok(1)
}

struct Files {
    memory: &'static str,
    swap: &'static str,
    no_swap: fn(u64) -> u64,
    events: &'static str,
}

fn files(cgroup: &Path) -> Files {
    if cgroup.join("memory.max").exists() {
        let (memory, swap, events) = ("memory.max", "memory.swap.max", "memory.events");
        return Files { memory, swap, no_swap: |_| 0, events };
    }
    let (memory, swap) = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes");
    Files { memory, swap, no_swap: |bytes| bytes, events: "memory.oom_control" }
}
