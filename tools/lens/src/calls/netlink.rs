//! Requests to the kernel's network configuration, as ip(8) would be told to make them: rtnetlink(7).

use std::os::fd::OwnedFd;

use netlink_packet_core::{
    NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage as Route;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};

use super::{Entry, Meaning, Shown};
use crate::descriptor::{device_name, is_of_another_network, route_socket};
use crate::memory::Memory;
use crate::text::quoted;

/// Bytes of the longest request, and of the longest answer, that is looked at.
const LONGEST: u64 = 32 * 1024;

/// netlink REQUEST, sent with sendto(2)
pub fn sendto(entry: &Entry) -> Option<Shown> {
    let socket = route_socket(entry.process, entry.task, entry.int(0))?;
    let length = entry.args[2].min(LONGEST) as usize;
    requests(entry, &socket, &entry.memory().bytes(entry.args[1], length)?)
}

/// netlink REQUEST, sent with sendmsg(2)
pub fn sendmsg(entry: &Entry) -> Option<Shown> {
    let socket = route_socket(entry.process, entry.task, entry.int(0))?;
    let mut request = Vec::new();
    for (address, length) in pieces(entry.memory(), entry.args[1])? {
        request.extend(entry.memory().bytes(address, length.min(LONGEST) as usize)?);
    }
    requests(entry, &socket, &request)
}

/// The buffers of a struct msghdr: recvmsg(2).
fn pieces(memory: Memory, header: u64) -> Option<Vec<(u64, u64)>> {
    let (vector, count) = (memory.word(header + 16)?, memory.word(header + 24)?);
    let piece =
        |at: u64| Some((memory.word(vector + 16 * at)?, memory.word(vector + 16 * at + 8)?));
    (0..count.min(64)).map(piece).collect()
}

/// Returns the sequence numbers of the requests in a call that sends some.
pub fn sequence_numbers(entry: &Entry, number: u64) -> Vec<u32> {
    let first = if i64::try_from(number) == Ok(nix::libc::SYS_sendto) {
        Some((entry.args[1], entry.args[2]))
    } else {
        pieces(entry.memory(), entry.args[1]).and_then(|pieces| pieces.first().copied())
    };
    let bytes =
        first.and_then(|(at, length)| entry.memory().bytes(at, length.min(LONGEST) as usize));
    bytes
        .iter()
        .flat_map(|bytes| messages(bytes))
        .map(|message| message.header.sequence_number)
        .collect()
}

/// Returns what the kernel has answered to requests in what a call has received: their sequence numbers, and 0 or
/// the errno.
pub fn answers(entry: &Entry, number: u64, received: usize) -> Vec<(u32, i32)> {
    let buffer = if i64::try_from(number) == Ok(nix::libc::SYS_recvfrom) {
        Some(entry.args[1])
    } else {
        pieces(entry.memory(), entry.args[1]).and_then(|all| Some(all.first()?.0))
    };
    let received = received.min(LONGEST as usize);
    let Some(bytes) = buffer.and_then(|at| entry.memory().bytes(at, received)) else {
        return Vec::new();
    };
    let answer = |message: NetlinkMessage<Route>| match message.payload {
        NetlinkPayload::Error(error) => {
            Some((message.header.sequence_number, error.code.map_or(0, |code| -code.get())))
        }
        _ => None,
    };
    messages(&bytes).into_iter().filter_map(answer).collect()
}

/// Takes messages apart, up to the first that can't be.
fn messages(mut bytes: &[u8]) -> Vec<NetlinkMessage<Route>> {
    let mut messages = Vec::new();
    while bytes.len() >= 16 {
        let Ok(message) = NetlinkMessage::<Route>::deserialize(bytes) else { break };
        let length = (message.header.length as usize).next_multiple_of(4);
        messages.push(message);
        if length == 0 || length > bytes.len() {
            break;
        }
        bytes = &bytes[length..];
    }
    messages
}

fn requests(entry: &Entry, socket: &OwnedFd, bytes: &[u8]) -> Option<Shown> {
    let messages = messages(bytes);
    // What a crate of this age can't read is still a request.
    if messages.is_empty() {
        return Some(format!("netlink of {} bytes", bytes.len()).into());
    }
    let lists = messages.iter().all(is_list);
    let shown: Vec<_> = messages.iter().map(|message| request(socket, message)).collect();
    let result = if lists { Meaning::List } else { Meaning::Request };
    let elsewhere = match is_of_another_network(socket, entry.task) {
        true => " (in another network namespace)",
        false => "",
    };
    let text = format!("netlink {}{elsewhere}", shown.join("; "));
    Some(Shown { result, ..text.into() }.placed(&messages))
}

/// Whether a request only asks what is there.
fn is_list(message: &NetlinkMessage<Route>) -> bool {
    use Route::{GetAddress, GetLink, GetNeighbour, GetRoute, GetRule};
    matches!(
        message.payload,
        NetlinkPayload::InnerMessage(
            GetLink(_) | GetAddress(_) | GetRoute(_) | GetNeighbour(_) | GetRule(_)
        )
    ) || message.header.flags & NLM_F_DUMP == NLM_F_DUMP
}

impl Shown {
    /// Names the place of the book that is about the first request.
    fn placed(self, messages: &[NetlinkMessage<Route>]) -> Shown {
        let chapter = match messages.first().map(|message| &message.payload) {
            Some(NetlinkPayload::InnerMessage(Route::NewLink(link))) => match kind(link).as_deref()
            {
                Some("bridge") => "06-network.md#bridge",
                Some("veth") => "06-network.md#pair",
                _ => "06-network.md#inside",
            },
            Some(NetlinkPayload::InnerMessage(Route::DelLink(_))) => "06-network.md#remove",
            Some(NetlinkPayload::InnerMessage(Route::NewAddress(_) | Route::NewRoute(_))) => {
                "06-network.md#inside"
            }
            _ => return self,
        };
        Shown { chapter: Some(chapter), ..self }
    }
}

fn request(socket: &OwnedFd, message: &NetlinkMessage<Route>) -> String {
    let flags = message.header.flags;
    let verb = match flags {
        flags if flags & NLM_F_REPLACE != 0 => "replace",
        flags if flags & NLM_F_CREATE != 0 => "add",
        _ => "set",
    };
    let NetlinkPayload::InnerMessage(inner) = &message.payload else {
        return format!("message of type {}", message.header.message_type);
    };
    let list = |what: &str| format!("{what} list");
    match inner {
        Route::NewLink(link) => format!("link {verb} {}", described(socket, link)),
        Route::SetLink(link) => format!("link set {}", described(socket, link)),
        Route::DelLink(link) => format!("link delete {}", described(socket, link)),
        Route::GetLink(_) if is_dump(flags) => list("link"),
        Route::GetLink(link) => format!("link show {}", described(socket, link)),
        Route::NewAddress(address) => format!("address {verb} {}", of_address(socket, address)),
        Route::DelAddress(address) => format!("address delete {}", of_address(socket, address)),
        Route::GetAddress(_) => list("address"),
        Route::NewRoute(route) => format!("route {verb} {}", of_route(socket, route)),
        Route::DelRoute(route) => format!("route delete {}", of_route(socket, route)),
        Route::GetRoute(_) => list("route"),
        _ => format!("message of type {}", message.header.message_type),
    }
}

fn is_dump(flags: u16) -> bool {
    flags & NLM_F_DUMP == NLM_F_DUMP
}

/// The name of a device by its index, or the index.
fn device(socket: &OwnedFd, index: u32) -> String {
    device_name(socket, index).map_or_else(|| index.to_string(), |name| quoted(name.as_bytes()))
}

fn kind(link: &LinkMessage) -> Option<String> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
            LinkInfo::Kind(kind) => Some(kind.to_string()),
            _ => None,
        }),
        _ => None,
    })
}

fn name(socket: Option<&OwnedFd>, link: &LinkMessage) -> Option<String> {
    let given = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(quoted(name.as_bytes())),
        _ => None,
    });
    let by_index = || match (socket, link.header.index) {
        (Some(socket), index) if index != 0 => Some(device(socket, index)),
        _ => None,
    };
    by_index().or(given)
}

/// A device and what it is to be: name, kind, flags, attributes.
fn described(socket: &OwnedFd, link: &LinkMessage) -> String {
    let mut words: Vec<String> = name(Some(socket), link).into_iter().collect();
    if link.header.change_mask.contains(LinkFlags::Up) {
        let up = link.header.flags.contains(LinkFlags::Up);
        words.push(if up { "up" } else { "down" }.into());
    }
    for attribute in &link.attributes {
        words.extend(of_attribute(socket, attribute));
    }
    words.join(" ")
}

fn of_attribute(socket: &OwnedFd, attribute: &LinkAttribute) -> Option<String> {
    Some(match attribute {
        LinkAttribute::IfName(_) => return None,
        LinkAttribute::Address(address) => format!("address {}", hardware(address)),
        LinkAttribute::Controller(0) => "nomaster".into(),
        LinkAttribute::Controller(index) => format!("master {}", device(socket, *index)),
        LinkAttribute::Mtu(mtu) => format!("mtu {mtu}"),
        LinkAttribute::NetNsPid(pid) => format!("netns {pid}"),
        LinkAttribute::NetNsFd(descriptor) => format!("netns descriptor {descriptor}"),
        LinkAttribute::LinkInfo(infos) => {
            infos.iter().filter_map(of_info).collect::<Vec<_>>().join(" ")
        }
        LinkAttribute::ExtMask(_) => return None,
        // The debug output of that crate is the attribute's name and value.
        other => format!("{other:?}"),
    })
}

fn of_info(info: &LinkInfo) -> Option<String> {
    Some(match info {
        LinkInfo::Kind(kind) => format!("type {kind}"),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))) => {
            let mut words = vec!["peer".to_string()];
            words.extend(name(None, peer));
            words.extend(peer.attributes.iter().filter_map(|attribute| match attribute {
                LinkAttribute::NetNsPid(pid) => Some(format!("netns {pid}")),
                LinkAttribute::NetNsFd(descriptor) => {
                    Some(format!("netns descriptor {descriptor}"))
                }
                LinkAttribute::Address(address) => Some(format!("address {}", hardware(address))),
                _ => None,
            }));
            words.join(" ")
        }
        LinkInfo::Data(InfoData::Bridge(options)) => {
            options.iter().map(of_bridge).collect::<Vec<_>>().join(" ")
        }
        LinkInfo::Data(data) => format!("{data:?}"),
        _ => return None,
    })
}

fn of_bridge(option: &InfoBridge) -> String {
    format!("{option:?}")
}

fn hardware(address: &[u8]) -> String {
    address.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn of_address(socket: &OwnedFd, message: &AddressMessage) -> String {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(address),
        _ => None,
    });
    let address = address.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(address),
            _ => None,
        })
    });
    let address = address.map(|address| format!("{address}/{} ", message.header.prefix_len));
    format!("{}dev {}", address.unwrap_or_default(), device(socket, message.header.index))
}

fn of_route(socket: &OwnedFd, message: &RouteMessage) -> String {
    let shown = |address: &RouteAddress| match address {
        RouteAddress::Inet(address) => address.to_string(),
        RouteAddress::Inet6(address) => address.to_string(),
        other => format!("{other:?}"),
    };
    let mut destination = "default".to_string();
    let mut words = String::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => {
                let length = message.header.destination_prefix_length;
                destination = format!("{}/{length}", shown(address));
            }
            RouteAttribute::Gateway(address) => words += &format!(" via {}", shown(address)),
            RouteAttribute::Oif(index) => words += &format!(" dev {}", device(socket, *index)),
            _ => {}
        }
    }
    destination + &words
}
