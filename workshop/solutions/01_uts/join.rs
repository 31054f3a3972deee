// Into a container that is running.
//
// A namespace has no name that one could call it by. It has files: /proc/PID/ns/KIND, for each process that is in
// it. Who opens one of them can go in. nsenter(1) does no more, and `docker exec` begins with it.
//
// `rename` gives a running container another hostname. It makes a new namespace and renames that one, so the
// container never hears of it.
//
// Read: book/src/every-day.md#exec, setns(2), namespaces(7).

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};

/// Renames the container that `process` is in. It is entered for that, but only its UTS namespace.
fn rename(process: Pid, name: &str) -> Result<()> {
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}

fn main() {}

// Why it works: the file stands for the namespace, and not for the process; setns(2) moves the caller there, and
// leaves its other namespaces as they are. The flag says which kind it should be, and EINVAL comes if it is another:
// with 0 any kind will do. sethostname(2) takes CAP_SYS_ADMIN in the user namespace that owns the container's UTS
// namespace, and so does setns(2). That is what keeps an ordinary user out of the containers of others.

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
