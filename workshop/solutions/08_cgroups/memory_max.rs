// At most so much memory.
//
// At a limit of memory the kernel first takes back what it can: caches, and what can be swapped out. Where that is
// not enough it kills a process of the cgroup, and counts that. So a limit without one for swap may only be slow.
// The files have other names on cgroup v1 and v2: `Files` knows them.
//
// Read: book/src/every-day.md#memory, cgroups(7), and cgroup-v2.rst of the kernel's documentation, "Memory".

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// Moves `process` to `cgroup`, whose processes have at most so many bytes of memory, and no swap.
fn limit_memory(cgroup: &Path, process: Pid, bytes: u64) -> Result<()> {
    let files = files(cgroup);
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

// Why it works: the kernel charges a page to the cgroup of the process that touches it first. At the limit it tries
// to take back others of that cgroup. Memory that no file is behind can only go to swap, which is forbidden here,
// so nothing is left but to kill: that is the line oom_kill. The victim is the largest process of this cgroup, and
// none of the host. What a process was charged for before it was moved stays where it was. On v1 the limit for both
// can't be less than the one for memory: hence the order.

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::hint::black_box;

    use anyhow::Result;
    use grader::exercise::{self, Container, Host};
    use nix::sys::signal::Signal;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    use super::*;

    const READ: &str = "book/src/every-day.md#memory and cgroup-v2.rst, \"Memory\"";

    /// What the task is about, on cgroup v2 and on v1.
    const LIMITS: [&str; 4] = [
        "container's limit: memory.max",
        "container's limit: memory.swap.max",
        "container's limit: memory.limit_in_bytes",
        "container's limit: memory.memsw.limit_in_bytes",
    ];

    const LIMIT: u64 = 16 << 20;

    /// Starts a process that wants four times as much, and returns how it has ended.
    fn eat() -> Result<String> {
        // SAFETY: this process has one thread.
        match unsafe { fork() }? {
            ForkResult::Child => {
                black_box(vec![1_u8; 4 * LIMIT as usize]);
                std::process::exit(0)
            }
            ForkResult::Parent { child } => Ok(match waitpid(child, None)? {
                WaitStatus::Signaled(_, Signal::SIGKILL, _) => "killed".into(),
                WaitStatus::Exited(_, 0) => "satisfied".into(),
                other => format!("{other:?}"),
            }),
        }
    }

    /// Runs `eat` in a cgroup with the limit.
    fn eat_limited(host: &Host) -> Container<String> {
        let cgroup = host.cgroup().join("container");
        fs::create_dir(&cgroup).unwrap();
        let container = host.park(eat);
        host.may_leave(&LIMITS);
        host.run(|| limit_memory(&cgroup, container.pid(), LIMIT));
        host.shows("the cgroup of the container", host.cgroup_of(container.pid()))
            .should_be("/container");
        container.release()
    }

    #[test]
    fn the_cgroup_has_both_limits() {
        exercise::with_cgroup("memory", READ, |host| {
            let cgroup = host.cgroup().join("container");
            fs::create_dir(&cgroup).unwrap();
            let container = host.park(eat);
            host.may_leave(&LIMITS);
            host.run(|| limit_memory(&cgroup, container.pid(), LIMIT));
            let Files { memory, swap, no_swap, .. } = files(&cgroup);
            host.shows(
                &format!("the limit of memory, {memory}"),
                host.read_cgroup(&format!("container/{memory}")),
            )
            .should_be(LIMIT);
            host.shows(
                &format!("the limit of swap, {swap}"),
                host.read_cgroup(&format!("container/{swap}")),
            )
            .should_be(no_swap(LIMIT));
        });
    }

    #[test]
    fn the_kernel_kills_a_process_that_wants_more() {
        exercise::with_cgroup("memory", READ, |host| {
            let container = eat_limited(host);
            let events = files(host.cgroup()).events;
            host.shows("the end of a process that wants four times as much", &container.value)
                .should_be("killed");
            host.shows(events, host.read_cgroup(&format!("container/{events}")))
                .should_have("oom_kill 1");
        });
    }

    #[test]
    fn the_events_are_counted() {
        exercise::with_cgroup("memory", READ, |host| {
            let cgroup = host.cgroup().join("container");
            let _container = eat_limited(host);
            host.shows("what `killed` has returned", host.run(|| killed(&cgroup))).should_be(1);
            // One more, which is as hungry.
            let second = host.park(eat);
            fs::write(cgroup.join("cgroup.procs"), second.pid().to_string()).unwrap();
            second.release();
            host.shows("what `killed` has returned", host.run(|| killed(&cgroup))).should_be(2);
        });
    }

    #[test]
    fn nobody_has_been_killed_in_the_beginning() {
        exercise::with_cgroup("memory", READ, |host| {
            let cgroup = host.cgroup().join("container");
            fs::create_dir(&cgroup).unwrap();
            let number = host.run(|| killed(&cgroup));
            host.shows("what `killed` has returned for a new cgroup", number).should_be(0);
        });
    }

    #[test]
    fn the_limit_is_there_before_the_process() {
        exercise::with_cgroup("memory", READ, |host| {
            let cgroup = host.cgroup().join("container");
            fs::create_dir(&cgroup).unwrap();
            let container = host.park(eat);
            let file = files(&cgroup).memory;
            host.may_leave(&LIMITS);
            let limit = || limit_memory(&cgroup, container.pid(), 2 * LIMIT);
            let shown = host.at_the_move(&format!("container/{file}"), limit);
            host.shows("the limit of memory when the process is moved", shown).should_be(2 * LIMIT);
        });
    }

    #[test]
    fn nobody_else_is_limited() {
        exercise::with_cgroup("memory", READ, |host| {
            let before = all_limits(host);
            eat_limited(host);
            host.shows("the limits of the host's cgroups", all_limits(host)).should_be(before);
        });
    }

    /// The limits of the cgroup above the container's, and of the one where the host's processes are.
    fn all_limits(host: &Host) -> String {
        let file = files(host.cgroup()).memory;
        format!("{} {}", host.read_cgroup(file), host.read_cgroup(&format!("../host/{file}")))
    }
}
