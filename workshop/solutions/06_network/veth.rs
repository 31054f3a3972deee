// A cable between two containers.
//
// A veth pair is two devices: what goes into one of them comes out of the other. One request makes both. It
// describes a device, and within it there is the description of its peer. Where nothing else is said, a device is
// made in the network namespace of whoever asks; and in one namespace there are no two devices with the same name.
//
// Read: book/src/06-network.md#pair (with its code in target/book/06-network.html#pair, which `cargo book` makes),
// veth(4), rtnetlink(7).

use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};
use nix::unistd::Pid;

/// Returns the request for a cable between the network namespaces of two processes. In each of them its end is
/// called `eth0`, and the namespace of the one who sends the request has none of it. What else a device has, the kernel
/// chooses.
fn cable(one: Pid, other: Pid) -> LinkMessage {
    let name = || LinkAttribute::IfName("eth0".into());
    let mut peer = LinkMessage::default();
    peer.attributes = vec![name(), LinkAttribute::NetNsPid(other.as_raw() as u32)];
    let mut pair = LinkMessage::default();
    pair.attributes = vec![
        name(),
        LinkAttribute::NetNsPid(one.as_raw() as u32),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    pair
}

fn main() {}

// Why it works: IFLA_NET_NS_PID is an attribute of a device: the kernel takes the process id from it, as the sender
// sees it, and makes the device in that process's network namespace. The attribute of the outer message moves the
// first end, that of the message within the second. So there is no moment at which the host has either. In stage 06
// the host keeps one end, on its bridge, and only the peer has the attribute.

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use grader::exercise::{self, Container, Host};
    use grader::network::{self, Network};
    use grader::probe;
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    const READ: &str = "book/src/06-network.md#pair and veth(4)";

    /// The addresses of the two.
    const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];

    /// Starts two containers with a cable between them.
    fn connected(host: &Host) -> [Container<()>; 2] {
        // What the request names by descriptors is open until it is sent.
        host.may_leave(&[
            "+ own descriptor",
            "+ container's link: eth0",
            "+ container's device: eth0",
        ]);
        let own_network = || Ok(unshare(CloneFlags::CLONE_NEWNET)?);
        let both = [host.play(own_network), host.play(own_network)];
        host.run(|| Network::open()?.make(cable(both[0].pid(), both[1].pid())));
        both
    }

    #[test]
    fn each_container_has_one_end() {
        exercise::as_root(READ, |host| {
            let before = host.devices();
            let both = connected(host);
            host.shows("the devices of the host", host.devices()).should_be(before);
            for container in &both {
                host.shows("the devices of a container", probe::devices(container.pid()))
                    .should_be("eth0 lo");
                let devices = host.inside(container, || network::details().unwrap_or_default());
                let end = devices.iter().find(|device| device.contains(": eth0,"));
                let end = end.map_or("nothing", String::as_str);
                for setting in [", mtu 1500,", ", queue of 1000,"] {
                    host.shows("what a container's eth0 is set to", end).should_have(setting);
                }
            }
        });
    }

    #[test]
    fn what_goes_in_at_one_end_comes_out_at_the_other() {
        exercise::as_root(READ, |host| {
            let both = connected(host);
            for (container, address) in both.iter().zip(ADDRESSES) {
                network::join(host, container, "eth0", address);
            }
            let outcome = host.inside(&both[0], || network::call(ADDRESSES[1]));
            host.shows("a connection through the cable", outcome).should_be("an answer");
        });
    }
}
