// Containers that share.
//
// The containers of a Kubernetes Pod have one network, one hostname, and one set of queues: they reach each other at
// 127.0.0.1. Their files are not shared. Somebody has to keep the namespaces alive when a container ends and is started
// again. That is a process that does nothing else: `pause`.
//
// Here each container has namespaces of its own, and no neighbours.
//
// Read: book/src/what-a-container-is.md#network, setns(2), namespaces(7).

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Pid;

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Moves this process into the network, UTS and IPC namespaces of `pause`, and into a mount namespace of its own.
fn join(pause: Pid) -> Result<()> {
    // TODO: three of the four are there already.
    let _ = pause;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use grader::exercise::{self, Container, Host};
    use grader::{hostname, network, probe};
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    use nix::unistd::sethostname;

    use super::*;

    const READ: &str = "book/src/what-a-container-is.md#network and setns(2)";

    const NONE: Option<&str> = None;

    /// Starts the process that keeps the Pod's namespaces, whose loopback is up. It has process ids of its own, too.
    fn pause(host: &Host, name: &str) -> Container<()> {
        host.may_change(&["net", "uts", "ipc", "mnt"]);
        let pause = host.play_as_init(|| {
            unshare(
                CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC,
            )?;
            unshare(CloneFlags::CLONE_NEWNS)?;
            Ok(sethostname(name)?)
        });
        network::join(host, &pause, "lo", "127.0.0.2".parse().unwrap());
        pause
    }

    #[test]
    fn containers_have_the_network_the_name_and_the_queues_of_the_pod() {
        exercise::as_root(READ, |host| {
            let pause = pause(host, "pod");
            for container in [host.start(|| join(pause.pid())), host.start(|| join(pause.pid()))] {
                for (kind, what) in [("net", "network"), ("uts", "UTS"), ("ipc", "IPC")] {
                    host.shows(
                        &format!("the {what} namespace of a container"),
                        container.namespace(kind),
                    )
                    .should_be_that("pause's", pause.namespace(kind));
                }
                host.shows("the hostname that a container sees", host.inside(&container, hostname))
                    .should_be("pod");
            }
        });
    }

    #[test]
    fn containers_reach_each_other_at_127_0_0_1() {
        exercise::as_root(READ, |host| {
            let pause = pause(host, "pod");
            // Where the server listens.
            host.may_leave(&["+ own descriptor"]);
            let server = host.start(|| {
                join(pause.pid())?;
                network::listen()
            });
            let client = host.start(|| join(pause.pid()));
            let outcome = host.inside(&client, || network::call("127.0.0.1".parse().unwrap()));
            host.shows("a connection to 127.0.0.1", outcome).should_be("an answer");
            host.shows("who has called, in the network of the server", probe::peers(server.pid()))
                .should_be("127.0.0.1");
        });
    }

    #[test]
    fn each_container_has_files_of_its_own() {
        exercise::as_root(READ, |host| {
            let pause = pause(host, "pod");
            let container = host.start(|| join(pause.pid()));
            for (whose, other) in
                [("the host's", host.namespace("mnt")), ("the Pod's", pause.namespace("mnt"))]
            {
                host.shows(
                    &format!("the container's mount namespace, beside {whose}"),
                    container.namespace("mnt"),
                )
                .should_not_be(other);
            }
            let mounted = host.inside(&container, || {
                mount(Some("own"), "/tmp", Some("tmpfs"), MsFlags::empty(), NONE).is_ok()
            });
            host.shows("whether a container can mount something", mounted).should_be(true);
            for (whose, mounts) in [("host", host.read("mounts")), ("Pod", pause.read("mounts"))] {
                host.shows(&format!("what the {whose} has mounted when a container has"), mounts)
                    .should_not_have("own /tmp tmpfs");
            }
        });
    }

    #[test]
    fn another_pod_is_another_matter() {
        exercise::as_root(READ, |host| {
            let (one, two) = (pause(host, "one"), pause(host, "two"));
            for (pause, name) in [(&one, "one"), (&two, "two")] {
                let container = host.start(|| join(pause.pid()));
                host.shows("the hostname that a container sees", host.inside(&container, hostname))
                    .should_be(name);
            }
        });
    }
}
