// refused with: the devices of a container

use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};
use nix::unistd::Pid;

fn cable(one: Pid, other: Pid) -> LinkMessage {
    let name = || LinkAttribute::IfName("eth0".into());
    let mut peer = LinkMessage::default();
    peer.attributes =
        vec![LinkAttribute::IfName("eth1".into()), LinkAttribute::NetNsPid(other.as_raw() as u32)];
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
