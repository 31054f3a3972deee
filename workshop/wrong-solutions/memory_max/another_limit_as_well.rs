// refused with: what your function leaves on the host
// refused with: container's limit

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// Moves `process` to `cgroup`, whose processes have at most so many bytes of memory, and no swap.
fn limit_memory(cgroup: &Path, process: Pid, bytes: u64) -> Result<()> {
    let files = files(cgroup);
    for name in ["memory.low", "memory.soft_limit_in_bytes"] {
        let more = cgroup.join(name);
        if more.exists() {
            fs::write(more, (1 << 20).to_string())?;
        }
    }
    fs::write(cgroup.join(files.memory), bytes.to_string())?;
    fs::write(cgroup.join(files.swap), (files.no_swap)(bytes).to_string())?;
    fs::write(cgroup.join("cgroup.procs"), process.to_string())?;
    Ok(())
}

/// Returns how many processes of `cgroup` the kernel has killed at its limit.
fn killed(cgroup: &Path) -> Result<u64> {
    let events = fs::read_to_string(cgroup.join(files(cgroup).events))?;
    let number = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
    Ok(number.context("no line with oom_kill")?.parse()?)
}

/// The names of files, and what keeps processes from swapping.
struct Files {
    memory: &'static str,
    swap: &'static str,
    /// What the limit of swap has to be, by the limit of memory.
    no_swap: fn(u64) -> u64,
    events: &'static str,
}

/// Returns the names that a cgroup's files have.
fn files(cgroup: &Path) -> Files {
    if cgroup.join("memory.max").exists() {
        let (memory, swap, events) = ("memory.max", "memory.swap.max", "memory.events");
        return Files { memory, swap, no_swap: |_| 0, events };
    }
    let (memory, swap) = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes");
    // On v1 it is a limit of memory and swap together.
    Files { memory, swap, no_swap: |bytes| bytes, events: "memory.oom_control" }
}
