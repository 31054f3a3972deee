// The namespaces can be named by open files, too.

use std::fs::File;
use std::os::fd::IntoRawFd;

use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};
use nix::unistd::Pid;

fn end(process: Pid) -> Vec<LinkAttribute> {
    let namespace = File::open(format!("/proc/{process}/ns/net")).expect("it is there");
    vec![
        LinkAttribute::IfName("eth0".into()),
        // Open until the request has been sent.
        LinkAttribute::NetNsFd(namespace.into_raw_fd()),
    ]
}

fn cable(one: Pid, other: Pid) -> LinkMessage {
    let mut peer = LinkMessage::default();
    peer.attributes = end(other);
    let mut pair = LinkMessage::default();
    pair.attributes = end(one);
    let peer = LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer)));
    let info = vec![LinkInfo::Kind(InfoKind::Veth), peer];
    pair.attributes.push(LinkAttribute::LinkInfo(info));
    pair
}
