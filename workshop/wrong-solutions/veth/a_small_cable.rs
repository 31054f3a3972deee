// refused with: what a container's eth0 is set to
// refused with: mtu 100,

use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};
use nix::unistd::Pid;

/// Returns the request for a cable between the network namespaces of two processes. In each of them its end is
/// called `eth0`, and the namespace of the one who sends the request has none of it.
fn cable(one: Pid, other: Pid) -> LinkMessage {
    let name = || LinkAttribute::IfName("eth0".into());
    let mut peer = LinkMessage::default();
    peer.attributes = vec![name(), LinkAttribute::NetNsPid(other.as_raw() as u32)];
    let mut pair = LinkMessage::default();
    pair.attributes = vec![
        name(),
        LinkAttribute::Mtu(100),
        LinkAttribute::NetNsPid(one.as_raw() as u32),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    pair
}
