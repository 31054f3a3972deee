// An address that answers can be sent to.
//
// A container has a private address, 10.10.10.2: on the Internet nobody can answer to that. So the machine puts its
// own address in its place when a packet leaves, and the container's back into the answer. That is masquerading, and
// one rule of nft(8). What comes from the Internet to a container is to keep its sender.
//
// Read: book/src/internet.md#masquerading, nft(8), NAT STATEMENTS.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What nft(8) reads. The containers are 10.10.10.0/24, and on this machine all of them are behind `brg0`.
const RULES: &str = r#"
table ip exercise {
    chain way_out {
        type nat hook postrouting priority srcnat
        ip saddr 10.10.10.0/24 oifname != "brg0" masquerade
    }
}
"#;

/// Lets nft(8) read the rules. An ordinary user's `PATH` may lack /usr/sbin.
fn masquerade() -> Result<()> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH")?);
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).env("PATH", path).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut nft = nft.spawn().context("start nft")?;
    nft.stdin.take().context("its stdin")?.write_all(RULES.as_bytes())?;
    let output = nft.wait_with_output()?;
    ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn main() {}

// Why it works: postrouting is the last point of a packet's way through the machine: the route is known, and with it
// the device whose address it gets. A chain of the type nat is asked about the first packet of a connection; the
// kernel keeps the answer, does the same to the rest of it, and the reverse to what comes back. With neither
// condition a connection from the Internet to a container would be masqueraded, too, and the container would take
// everybody for the bridge.

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::process::Command;
    use std::time::Duration;
    use std::{fs, io, process, thread};

    use anyhow::{Result, ensure};
    use grader::exercise::{self, Container, Host};
    use grader::network::{self, Network};
    use grader::probe;
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    const READ: &str = "book/src/internet.md#masquerading and nft(8)";

    // The way from the container to the Internet.
    const CONTAINER: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 2);
    const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 1);
    const UPLINK: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
    const OTHER_UPLINK: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
    const INTERNET: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

    // A second container on the bridge, and another network of this machine, which is none of the containers'.
    const SECOND: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 200);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 10, 11, 2);
    const OTHER_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 11, 1);

    /// A rule that somebody else has on this host.
    const OTHERS: &str = "table ip others {
        chain count {
            type filter hook input priority 0
            counter
        }
    }";

    /// Starts a container behind the bridge of this host, and the Internet behind its uplink. The Internet knows a
    /// way to the container: so it is seen whom it would answer to.
    fn networks(host: &Host, device: &str, uplink: Ipv4Addr) -> [Container<()>; 2] {
        host.need("nft", "nftables");
        let own_network = || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            tell_senders()?;
            network::listen()
        };
        host.may_leave(&["+ nft rule:"]);
        let [container, internet] = [host.play(own_network), host.play(own_network)];
        host.play(|| {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            let machine = Network::open()?;
            let bridge = machine.make_bridge("brg0")?;
            machine.configure("brg0", BRIDGE)?;
            machine.make_pair(Some(bridge), "port", container.pid(), "eth0")?;
            machine.make_pair(None, device, internet.pid(), "home")?;
            machine.configure(device, uplink)?;
            let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH")?);
            let nft = Command::new("nft").arg(OTHERS).env("PATH", path).status()?;
            ensure!(nft.success(), "nft: {nft}");
            Ok(())
        });
        network::join(host, &container, "eth0", CONTAINER);
        network::route(host, &container, INTERNET, BRIDGE);
        network::join(host, &internet, "home", INTERNET);
        network::route(host, &internet, CONTAINER, uplink);
        [container, internet]
    }

    /// Has a thread answer what comes by UDP: with the address that it has come from.
    fn tell_senders() -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, network::OTHER_PORT))?;
        thread::spawn(move || {
            while let Ok((_, sender)) = socket.recv_from(&mut [0]) {
                let _ = socket.send_to(sender.ip().to_string().as_bytes(), sender);
            }
        });
        Ok(())
    }

    /// Asks who sends what is sent from here by UDP.
    fn ask_for_sender(address: Ipv4Addr) -> io::Result<String> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.send_to(b"?", (address, network::OTHER_PORT))?;
        let mut answer = [0; 64];
        let length = socket.recv(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into())
    }

    /// Sends something by UDP to a port that nobody has, and returns what comes of it.
    fn ask_nobody(address: Ipv4Addr) -> io::Result<usize> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.connect((address, 9))?;
        socket.send(b"?")?;
        socket.recv(&mut [0])
    }

    #[test]
    fn the_internet_sees_the_machine() {
        exercise::as_root(READ, |host| {
            let [container, internet] = networks(host, "uplink", UPLINK);
            host.run(masquerade);
            let outcome = host.inside(&container, || network::call(INTERNET));
            host.shows("the sender that the Internet sees", probe::peers(internet.pid()))
                .should_be(UPLINK);
            host.shows("a connection to the Internet", outcome).should_be("an answer");
            let sender = host.inside(&container, || {
                ask_for_sender(INTERNET).unwrap_or_else(|error| error.to_string())
            });
            host.shows("the sender that the Internet sees by UDP", sender).should_be(UPLINK);
            // That nobody is there comes back by ICMP.
            let outcome = host.inside(&container, || {
                ask_nobody(INTERNET).map_or_else(|error| error.to_string(), |_| "an answer".into())
            });
            host.shows("what the container hears from a port that is closed", outcome)
                .should_have("Connection refused");
        });
    }

    #[test]
    fn it_is_the_same_for_another_container_and_another_port() {
        exercise::as_root(READ, |host| {
            // A name that nobody has known before.
            let uplink = format!("up{}", process::id());
            let [_container, internet] = networks(host, &uplink, OTHER_UPLINK);
            let second = host.play(|| Ok(unshare(CloneFlags::CLONE_NEWNET)?));
            host.play(|| {
                let machine = Network::open()?;
                machine.make_pair(Some(machine.index("brg0")?), "second", second.pid(), "eth0")
            });
            network::join(host, &second, "eth0", SECOND);
            network::route(host, &second, INTERNET, BRIDGE);
            host.run(masquerade);
            let outcome =
                host.inside(&second, || network::call_port(INTERNET, network::OTHER_PORT));
            host.shows("the sender that the Internet sees", probe::peers(internet.pid()))
                .should_be(OTHER_UPLINK);
            host.shows("a connection to another port", outcome).should_be("an answer");
        });
    }

    #[test]
    fn another_network_goes_on_as_before() {
        exercise::as_root(READ, |host| {
            let [_container, internet] = networks(host, "uplink", UPLINK);
            let other = host.play(|| Ok(unshare(CloneFlags::CLONE_NEWNET)?));
            host.play(|| {
                let machine = Network::open()?;
                machine.make_pair(None, "other0", other.pid(), "eth0")?;
                machine.configure("other0", OTHER_GATEWAY)
            });
            network::join(host, &other, "eth0", OTHER);
            network::route(host, &other, INTERNET, OTHER_GATEWAY);
            network::route(host, &internet, OTHER, UPLINK);
            host.run(masquerade);
            let outcome = host.inside(&other, || network::call(INTERNET));
            host.shows("a connection from another network to the Internet", outcome)
                .should_be("an answer");
            host.shows("the sender that the Internet sees then", probe::peers(internet.pid()))
                .should_be(OTHER);
        });
    }

    #[test]
    fn the_container_sees_the_internet() {
        exercise::as_root(READ, |host| {
            let [container, internet] = networks(host, "uplink", UPLINK);
            host.run(masquerade);
            let outcome = host.inside(&internet, || network::call(CONTAINER));
            host.shows("the sender that the container sees", probe::peers(container.pid()))
                .should_be(INTERNET);
            host.shows("a connection to the container", outcome).should_be("an answer");
        });
    }
}
