// Where am I?
//
// A process can read in /proc/self/cgroup which cgroup it is in, and the path tells who has started it, and what
// else there may be. A cgroup namespace changes what is shown: its root is the cgroup that its maker is in at that
// moment. `container` makes one, and reads a path that begins with `/..`. On cgroup v2 it may not even get there: a
// move out of the namespace is refused, with ENOENT.
//
// Read: book/src/08-cgroups.md#shell, cgroup_namespaces(7).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

/// Moves this process to `cgroup`, which it takes for the root from then on.
fn container(cgroup: &Path) -> Result<()> {
    fs::write(cgroup.join("cgroup.procs"), "0").context("move to the cgroup")?;
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    Ok(())
}

// Why it works: the kernel notes, as the root of the new namespace, the cgroup that the caller of unshare(2) is in,
// and shows paths from there on. After the move that is the container's own. Before it, it was the host's, and a
// cgroup beside that one is `/../container`; with the mount option nsdelegate, as systemd mounts v2, nobody crosses
// that border. Nothing about the cgroup itself has changed: the host sees the path as before, and the limits are the
// same. Stage 08 makes this namespace in ns_init for the same reason, and all others with clone(2).

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;

    use grader::{exercise, probe};

    use super::*;

    const READ: &str = "book/src/08-cgroups.md#shell and cgroup_namespaces(7)";

    #[test]
    fn the_container_reads_that_it_is_in_the_root() {
        exercise::with_cgroup("pids", READ, |host| {
            host.may_change(&["cgroup"]);
            let cgroup = host.cgroup().join("container");
            fs::create_dir(&cgroup).unwrap();
            let container = host.start(|| container(&cgroup));
            host.shows("the cgroup namespace of the container", container.namespace("cgroup"))
                .should_not_be(host.namespace("cgroup"));
            let inside = host.inside(&container, || probe::cgroup_path(container.pid(), "pids"));
            host.shows("the container's path in /proc/self/cgroup", inside).should_be("/");
        });
    }

    #[test]
    fn the_host_sees_where_the_container_is() {
        exercise::with_cgroup("pids", READ, |host| {
            host.may_change(&["cgroup"]);
            for name in ["container", "container/below"] {
                let cgroup = host.cgroup().join(name);
                fs::create_dir(&cgroup).unwrap();
                let container = host.start(|| container(&cgroup));
                host.shows("the cgroup of the container", host.cgroup_of(container.pid()))
                    .should_be(format!("/{name}"));
            }
        });
    }
}
