// Into a container that is running.
//
// A namespace has no name that one could call it by. It has files: /proc/PID/ns/KIND, for each process that is in
// it. Who opens one of them can go in. nsenter(1) does no more, and `docker exec` begins with it.
//
// `rename` gives a running container another hostname. It makes a new namespace and renames that one, so the
// container never hears of it.
//
// Read: book/src/every-day.md#exec, setns(2), namespaces(7).

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, sethostname};

/// Renames the container that `process` is in. It is entered for that, but only its UTS namespace.
fn rename(process: Pid, name: &str) -> Result<()> {
    // TODO: no new namespace. The one of `process`.
    unshare(CloneFlags::CLONE_NEWUTS)?;
    let _ = process;
    sethostname(name)?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use grader::{exercise, hostname};
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    const READ: &str = "book/src/every-day.md#exec and setns(2)";

    fn container() -> Result<()> {
        Ok(unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNS)?)
    }

    #[test]
    fn the_container_has_its_new_name() {
        exercise::as_root(READ, |host| {
            host.may_change(&["uts"]);
            host.may_leave(&["container's hostname"]);
            let container = host.play(container);
            // The kernel takes up to 64 bytes.
            let longest = "x".repeat(64);
            for name in ["kitchen", "cellar", &longest] {
                host.run(|| rename(container.pid(), name));
                host.shows("the name of the container", host.inside(&container, hostname))
                    .should_be(name);
            }
        });
    }

    #[test]
    fn the_host_keeps_its_name() {
        exercise::as_root(READ, |host| {
            host.may_change(&["uts"]);
            host.may_leave(&["container's hostname"]);
            let before = hostname();
            let container = host.play(container);
            host.run(|| rename(container.pid(), "kitchen"));
            host.shows("the name of the host", hostname()).should_be(before);
        });
    }

    #[test]
    fn who_renames_it_enters_no_other_namespace() {
        exercise::as_root(READ, |host| {
            host.may_change(&["uts"]);
            host.may_leave(&["container's hostname"]);
            let container = host.play(container);
            let visitor = host.start(|| rename(container.pid(), "kitchen"));
            host.shows("the mount namespace of who has entered", visitor.namespace("mnt"))
                .should_be(host.namespace("mnt"));
        });
    }
}
