// At most so many processes.
//
// A cgroup is a directory, and its limits are files in it. Without a library: make a directory, write a number
// to one file of it, and a process id to another. That order keeps a process from being there without its limit.
// It is the same on cgroup v1 and v2.
//
// Read: book/src/08-cgroups.md#shell, cgroups(7).

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
    Ok(())
}

fn main() {}

// Why it works: the kernel counts the processes of a cgroup, and of all below it, when one of them calls fork(2) or
// clone(2), and says EAGAIN at the limit. Children are born in their parent's cgroup, so it is enough to move the
// first. To move a process there is not limited: had it forked before, there could be more than five. That is why a
// container is moved before it runs anything, and why the limit is there by then.

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use grader::exercise::{self, Host};
    use nix::unistd::{ForkResult, fork, pause};

    use super::*;

    const READ: &str = "book/src/08-cgroups.md#shell and cgroups(7)";

    const LIMIT: u32 = 5;

    /// There is more than one container, and some are large.
    const OTHER_LIMIT: u32 = 4000;

    /// Starts children, until the kernel says no or there are ten of them.
    fn fork_ten() -> Result<()> {
        for _ in 0..10 {
            // SAFETY: this process has one thread.
            match unsafe { fork() } {
                Ok(ForkResult::Child) => pause(),
                Ok(ForkResult::Parent { .. }) => (),
                Err(_) => break,
            }
        }
        Ok(())
    }

    #[test]
    fn the_container_is_in_a_cgroup_with_the_limit() {
        exercise::with_cgroup("pids", READ, |host| {
            host.may_leave(&["container's limit: pids.max"]);
            let container = host.park(fork_ten);
            host.run(|| limit_processes(host.cgroup(), container.pid(), LIMIT));
            host.shows("the cgroup of the container", host.cgroup_of(container.pid()))
                .should_be("/container");
            host.shows("pids.max of that cgroup", host.read_cgroup("container/pids.max"))
                .should_be(LIMIT);
        });
    }

    #[test]
    fn the_kernel_refuses_the_sixth_process() {
        exercise::with_cgroup("pids", READ, |host| {
            host.may_leave(&["container's limit: pids.max"]);
            let container = host.park(fork_ten);
            host.run(|| limit_processes(host.cgroup(), container.pid(), LIMIT));
            let container = container.release();
            host.shows("the number of the container's children", container.children().len())
                .should_be(LIMIT - 1);
            host.shows("pids.events", host.read_cgroup("container/pids.events"))
                .should_have("max 1");
        });
    }

    #[test]
    fn the_limit_is_there_before_the_process() {
        exercise::with_cgroup("pids", READ, |host| {
            host.may_leave(&["container's limit: pids.max"]);
            let container = host.park(fork_ten);
            let limit = || limit_processes(host.cgroup(), container.pid(), OTHER_LIMIT);
            let shown = host.at_the_move("container/pids.max", limit);
            host.shows("pids.max when the process is moved", shown).should_be(OTHER_LIMIT);
        });
    }

    #[test]
    fn nobody_else_is_limited() {
        exercise::with_cgroup("pids", READ, |host| {
            host.may_leave(&["container's limit: pids.max"]);
            let container = host.park(fork_ten);
            let before = all_limits(host);
            host.run(|| limit_processes(host.cgroup(), container.pid(), LIMIT));
            host.shows("pids.max of the host's cgroups", all_limits(host)).should_be(before);
        });
    }

    /// The limits of the cgroup above the container's, and of the one where the host's processes are.
    fn all_limits(host: &Host) -> String {
        format!("{} {}", host.read_cgroup("pids.max"), host.read_cgroup("../host/pids.max"))
    }
}
