// A door to a container.
//
// A container's address is known on its machine alone. Who wants to be reached from elsewhere takes a port of the
// machine: `docker run --publish 9000:8000`. A packet for that port gets the container's address and port as its new
// destination, when it arrives and before the route is chosen. What the container answers goes back by the same way.
//
// Here it happens after the route has been chosen, when the packet is for the machine already.
//
// Read: book/src/every-day.md#port, nft(8), NAT STATEMENTS.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What nft(8) reads: who calls a port of this machine, which is `machine`, by TCP gets to a port of the container's.
fn rules(machine: Ipv4Addr, port: u16, container: Ipv4Addr, to: u16) -> String {
    // TODO: another hook and its priority, and the new destination.
    let _ = (container, to);
    format!(
        "table ip exercise {{
            chain way_in {{
                type nat hook input priority 100
                ip daddr {machine} tcp dport {port} accept
            }}
        }}"
    )
}

/// Lets nft(8) read the rules. An ordinary user's `PATH` may lack /usr/sbin.
fn publish(machine: Ipv4Addr, port: u16, container: Ipv4Addr, to: u16) -> Result<()> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH")?);
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).env("PATH", path).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut nft = nft.spawn().context("start nft")?;
    let rules = rules(machine, port, container, to);
    nft.stdin.take().context("its stdin")?.write_all(rules.as_bytes())?;
    let output = nft.wait_with_output()?;
    ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{Ipv4Addr, UdpSocket};

    use grader::exercise::{self, Container, Host};
    use grader::network::{self, Network};
    use grader::probe;
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    const READ: &str = "book/src/every-day.md#port and nft(8), NAT STATEMENTS";

    const CONTAINER: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 2);
    const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 1);
    const MACHINE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
    const INTERNET: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

    /// Those of another caller, another machine, and its container.
    const OTHER_CALLER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 99);
    const OTHER_MACHINE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
    const OTHER_CONTAINER: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 77);

    /// The ports that the container listens on.
    const OWN: [u16; 2] = [8000, network::OTHER_PORT];

    /// Starts a container behind the bridge of this host, and the Internet behind its uplink.
    fn networks(
        host: &Host,
        caller: Ipv4Addr,
        address: Ipv4Addr,
        own: Ipv4Addr,
    ) -> [Container<()>; 2] {
        host.need("nft", "nftables");
        host.may_leave(&["+ nft rule:"]);
        let container = host.play(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            // It is open until the process ends.
            std::mem::forget(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, OWN[0]))?);
            network::listen()
        });
        let internet = host.play(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            network::listen()
        });
        host.play(|| {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            let machine = Network::open()?;
            let bridge = machine.make_bridge("brg0")?;
            machine.configure("brg0", BRIDGE)?;
            machine.make_pair(Some(bridge), "port", container.pid(), "eth0")?;
            machine.make_pair(None, "uplink", internet.pid(), "home")?;
            machine.configure("uplink", address)
        });
        network::join(host, &container, "eth0", own);
        network::route(host, &container, caller, BRIDGE);
        network::join(host, &internet, "home", caller);
        network::route(host, &internet, own, address);
        [container, internet]
    }

    #[test]
    fn who_calls_the_port_gets_to_the_container() {
        exercise::as_root(READ, |host| {
            let [container, internet] = networks(host, INTERNET, MACHINE, CONTAINER);
            host.run(|| publish(MACHINE, 9000, CONTAINER, OWN[0]));
            let outcome = host.inside(&internet, || network::call_port(MACHINE, 9000));
            host.shows("who has called, in the container", probe::peers(container.pid()))
                .should_be(INTERNET);
            host.shows("a connection to the port", outcome).should_be("an answer");
        });
    }

    #[test]
    fn it_is_the_same_for_another_port_of_another_machine() {
        exercise::as_root(READ, |host| {
            let [container, internet] =
                networks(host, OTHER_CALLER, OTHER_MACHINE, OTHER_CONTAINER);
            host.run(|| publish(OTHER_MACHINE, 80, OTHER_CONTAINER, OWN[1]));
            host.inside(&internet, || network::call_port(OTHER_MACHINE, 80));
            // The column of the port, as the kernel writes it: proc_pid_net(5), in Debian 12 proc(5).
            let table = container.read("net/tcp");
            let connected = table.lines().filter(|line| line.contains(":1F75 636433C6:")).count();
            host.shows("connections from the Internet to port 8053 of the container", connected)
                .should_be(1);
        });
    }

    #[test]
    fn the_container_reaches_that_port_of_others() {
        exercise::as_root(READ, |host| {
            let [container, internet] = networks(host, INTERNET, MACHINE, CONTAINER);
            host.run(|| publish(MACHINE, OWN[0], CONTAINER, OWN[0]));
            let outcome = host.inside(&container, || network::call(INTERNET));
            host.shows("who has called the Internet by that port", probe::peers(internet.pid()))
                .should_be(CONTAINER);
            host.shows("a connection to the Internet", outcome).should_be("an answer");
        });
    }

    #[test]
    fn other_ports_are_still_the_machines() {
        exercise::as_root(READ, |host| {
            let [container, internet] = networks(host, INTERNET, MACHINE, CONTAINER);
            host.run(|| publish(MACHINE, 9000, CONTAINER, OWN[0]));
            host.inside(&internet, || {
                for port in [OWN[0], 8999, 9001] {
                    network::call_port(MACHINE, port);
                }
            });
            host.shows(
                "who has called the container by another port",
                probe::peers(container.pid()),
            )
            .should_be("");
        });
    }

    #[test]
    fn a_port_of_udp_is_another_one() {
        exercise::as_root(READ, |host| {
            let [container, internet] = networks(host, INTERNET, MACHINE, CONTAINER);
            host.run(|| publish(MACHINE, 9000, CONTAINER, OWN[0]));
            host.inside(&internet, || {
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
                socket.send_to(b"?", (MACHINE, 9000)).unwrap();
                // What was sent before this has arrived when it is there.
                network::call_port(MACHINE, 9000);
            });
            // The column of the bytes that wait, as `tx_queue:rx_queue`.
            let table = container.read("net/udp");
            let waiting = table.lines().skip(1).filter(|line| !line.contains(":00000000 00:"));
            host.shows("UDP sockets of the container that a message has come to", waiting.count())
                .should_be(0);
        });
    }
}
