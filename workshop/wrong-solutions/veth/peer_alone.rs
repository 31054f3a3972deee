// refused with: the devices of the host
// refused with: eth0

use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};
use nix::unistd::Pid;

fn cable(one: Pid, other: Pid) -> LinkMessage {
    let name = || LinkAttribute::IfName("eth0".into());
    let mut peer = LinkMessage::default();
    peer.attributes = vec![name(), LinkAttribute::NetNsPid(other.as_raw() as u32)];
    let mut pair = LinkMessage::default();
    pair.attributes = vec![
        name(),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    pair
}
