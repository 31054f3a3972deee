// Four ways to a network.
//
// `docker run --network` has four modes, and they are four answers to one question: in which network namespace is
// the container? In the host's, in a new one, in another container's, or in a new one with a cable to a bridge. Here
// the host lays the cable, into the namespace that a process is in at that moment.
//
// Read: book/src/what-a-container-is.md#network, setns(2), unshare(2).

use anyhow::Result;
use nix::sched::{self, CloneFlags};
use nix::unistd::Pid;

/// A network for a container.
enum Mode<'a> {
    /// The host's.
    Host,
    /// A new one, with nothing but a loopback.
    None,
    /// That of this process.
    Container(Pid),
    /// A new one with a cable, which this function lays, to a process.
    Bridge(&'a dyn Fn(Pid) -> Result<()>),
}

/// Moves this process into the network of a mode.
fn enter(mode: Mode) -> Result<()> {
    match mode {
        Mode::Host => {}
        Mode::None => sched::unshare(CloneFlags::CLONE_NEWNET)?,
        Mode::Container(other) => {
            // TODO: where the other process is.
            let _ = other;
        }
        Mode::Bridge(lay) => {
            // TODO: a new one, then the cable.
            let _ = lay;
        }
    }
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use grader::exercise;
    use grader::network::{self, Network};
    use grader::probe;
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    const READ: &str = "book/src/what-a-container-is.md#network and setns(2)";

    const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 1);
    const CONTAINER: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 2);

    #[test]
    fn host_is_the_network_of_the_host() {
        exercise::as_root(READ, |host| {
            let container = host.start(|| enter(Mode::Host));
            host.shows("the network namespace of the mode host", container.namespace("net"))
                .should_be(host.namespace("net"));
        });
    }

    #[test]
    fn none_is_a_loopback_and_nothing_else() {
        exercise::as_root(READ, |host| {
            host.may_change(&["net"]);
            let container = host.start(|| enter(Mode::None));
            host.shows("the network namespace of the mode none", container.namespace("net"))
                .should_not_be(host.namespace("net"));
            host.shows("the devices of the mode none", probe::devices(container.pid()))
                .should_be("lo");
        });
    }

    #[test]
    fn container_is_the_network_of_another_one() {
        exercise::as_root(READ, |host| {
            host.may_change(&["net"]);
            // It has more of its own than a network.
            let own = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS;
            let own = own | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
            let other = host.play(|| Ok(unshare(own)?));
            let container = host.start(|| enter(Mode::Container(other.pid())));
            host.shows("the network namespace of the mode container", container.namespace("net"))
                .should_be_that("the other container's", other.namespace("net"));
            for (kind, what) in [("uts", "UTS"), ("mnt", "mount"), ("ipc", "IPC")] {
                host.shows(
                    &format!("the {what} namespace of the mode container"),
                    container.namespace(kind),
                )
                .should_be(host.namespace(kind));
            }
        });
    }

    #[test]
    fn bridge_is_a_network_with_a_cable_to_the_host() {
        exercise::as_root(READ, |host| {
            let machine = Network::open().expect("the host's network");
            let bridge = machine.make_bridge("brg0").expect("a bridge");
            machine.configure("brg0", BRIDGE).expect("its address");
            host.may_change(&["net"]);
            host.may_leave(&["+ link: port", "+ device: port"]);
            let lay = |process| machine.make_pair(Some(bridge), "port", process, "eth0");
            let container = host.start(|| enter(Mode::Bridge(&lay)));
            host.shows("the devices of the mode bridge", probe::devices(container.pid()))
                .should_be("eth0 lo");
            host.shows("the devices of the host", host.devices()).should_be("brg0 lo port");
            network::join(host, &container, "eth0", CONTAINER);
            let outcome = host.inside(&container, || network::call(BRIDGE));
            host.shows("a connection to the bridge", outcome).should_be("an answer");
        });
    }
}
