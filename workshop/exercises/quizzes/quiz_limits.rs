// Quiz: a limit, and what the container reads of it (stages 07 and 08).
//
// `container` is to have a cgroup of its own, in which there can be `limit` processes, to take that cgroup for the root
// of all, and to have message queues of its own. The limit is there before the process. What is here is in the wrong
// order, and half of it is missing.
//
// Read: book/src/08-cgroups.md#shell, cgroup_namespaces(7), ipc_namespaces(7).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

/// Moves this process to the new child `container` of the cgroup `parent`, which can have `limit` processes, and into
/// namespaces for what it sees of cgroups and queues.
fn container(parent: &Path, limit: u32) -> Result<()> {
    let cgroup = parent.join("container");
    fs::create_dir(&cgroup)?;
    // TODO: two files, and two kinds of namespaces. What has to come before what?
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    fs::write(cgroup.join("cgroup.procs"), "0").context("move to the cgroup")?;
    fs::write(cgroup.join("pids.max"), "20").with_context(|| format!("set the limit {limit}"))?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;

    use grader::exercise::{self, Container, Host};
    use grader::probe;

    use super::*;

    const READ: &str = "book/src/08-cgroups.md#shell and cgroup_namespaces(7)";

    /// There is more than one container.
    const LIMITS: [u32; 2] = [5, 300];

    fn start(host: &Host, limit: u32) -> Container<()> {
        host.may_change(&["cgroup", "ipc"]);
        host.may_leave(&["container's limit: pids.max"]);
        host.start(|| container(host.cgroup(), limit))
    }

    #[test]
    fn the_container_is_in_a_cgroup_with_the_limit() {
        exercise::with_cgroup("pids", READ, |host| {
            for limit in LIMITS {
                let container = start(host, limit);
                host.shows("the cgroup of the container", host.cgroup_of(container.pid()))
                    .should_be("/container");
                host.shows("pids.max of that cgroup", host.read_cgroup("container/pids.max"))
                    .should_be(limit);
                host.shows(
                    "the processes in that cgroup",
                    host.read_cgroup("container/cgroup.procs"),
                )
                .should_be(container.pid());
                drop(container);
                fs::remove_dir(host.cgroup().join("container")).unwrap();
            }
        });
    }

    #[test]
    fn the_limit_is_there_before_the_process() {
        exercise::with_cgroup("pids", READ, |host| {
            host.may_change(&["cgroup", "ipc"]);
            host.may_leave(&["container's limit: pids.max"]);
            let limit = || container(host.cgroup(), LIMITS[1]);
            let shown = host.at_the_move("container/pids.max", limit);
            host.shows("pids.max when the process is moved", shown).should_be(LIMITS[1]);
        });
    }

    #[test]
    fn the_container_reads_that_it_is_in_the_root() {
        exercise::with_cgroup("pids", READ, |host| {
            let container = start(host, LIMITS[0]);
            host.shows("the cgroup namespace of the container", container.namespace("cgroup"))
                .should_not_be(host.namespace("cgroup"));
            let inside = host.inside(&container, || probe::cgroup_path(container.pid(), "pids"));
            host.shows("the container's path in /proc/self/cgroup", inside).should_be("/");
        });
    }

    #[test]
    fn it_has_queues_of_its_own() {
        exercise::with_cgroup("pids", READ, |host| {
            let container = start(host, LIMITS[0]);
            host.shows("the IPC namespace of the container", container.namespace("ipc"))
                .should_not_be(host.namespace("ipc"));
        });
    }

    #[test]
    fn nobody_else_is_limited() {
        exercise::with_cgroup("pids", READ, |host| {
            let before = all_limits(host);
            start(host, LIMITS[0]);
            host.shows("pids.max of the host's cgroups", all_limits(host)).should_be(before);
        });
    }

    /// The limits of the cgroup above the container's, and of the one where the host's processes are.
    fn all_limits(host: &Host) -> String {
        format!("{} {}", host.read_cgroup("pids.max"), host.read_cgroup("../host/pids.max"))
    }
}
