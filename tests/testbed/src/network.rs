//! Networks to play with: bridges, veth pairs, addresses and routes, for the tests of exercises.
//!
//! Over rtnetlink(7), and not with ip(8), which not every machine has.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use netlink::{NLM_F_CREATE, NLM_F_EXCL, Netlink};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::ifaddrs::getifaddrs;
use nix::unistd::Pid;

/// The length of all networks here.
const PREFIX_LENGTH: u8 = 24;

/// How long an answer may take. A veth device that has just been set up may lose what is sent first, and TCP sends
/// it again after one second, and after three.
const PATIENCE: Duration = Duration::from_secs(5);

/// The port of the servers here.
const PORT: u16 = 8000;

/// Another one, for who wants to know whether a rule is about the first alone.
pub const OTHER_PORT: u16 = 8053;

/// A network namespace: the one in which this was opened, wherever the process is later.
pub struct Network(Netlink);

impl Network {
    /// Opens the network namespace that this process is in.
    pub fn open() -> Result<Network> {
        Netlink::open().map(Network)
    }

    /// Makes a device: anything that RTM_NEWLINK can say.
    ///
    /// # Errors
    ///
    /// What the kernel says to it.
    pub fn make(&self, link: LinkMessage) -> Result<()> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.0.change(RouteNetlinkMessage::NewLink(link), flags).context("make a network device")
    }

    /// Makes a bridge, sets it up, and returns its index.
    pub fn make_bridge(&self, name: &str) -> Result<u32> {
        let kind = LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]);
        self.make(up(link(vec![LinkAttribute::IfName(name.into()), kind])))?;
        self.0.index_of(name)
    }

    /// Returns the index of a device of this namespace.
    ///
    /// # Errors
    ///
    /// What the kernel says to it, as where there is none.
    pub fn index(&self, name: &str) -> Result<u32> {
        self.0.index_of(name)
    }

    /// Makes a veth pair: `name` is here, set up, and on `bridge` where there is one; `peer` is in the network
    /// namespace of a process.
    pub fn make_pair(
        &self,
        bridge: Option<u32>,
        name: &str,
        process: Pid,
        peer: &str,
    ) -> Result<()> {
        let peer = link(vec![
            LinkAttribute::IfName(peer.into()),
            LinkAttribute::NetNsPid(process.as_raw() as u32),
        ]);
        let info = vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ];
        let mut pair = vec![LinkAttribute::IfName(name.into()), LinkAttribute::LinkInfo(info)];
        pair.extend(bridge.map(LinkAttribute::Controller));
        self.make(up(link(pair)))
    }

    /// Sets a device of the current namespace up, and gives it an address.
    pub fn configure(&self, name: &str, address: Ipv4Addr) -> Result<()> {
        let mut link = up(LinkMessage::default());
        link.header.index = self.0.index_of(name)?;
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = PREFIX_LENGTH;
        message.header.index = link.header.index;
        message.attributes = vec![AddressAttribute::Local(address.into())];
        self.0
            .change(RouteNetlinkMessage::NewLink(link), 0)
            .with_context(|| format!("set {name} up"))?;
        self.0
            .change(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
            .with_context(|| format!("give {name} the address {address}"))
    }

    /// Sends what is for the network of `destination` to a gateway.
    ///
    /// # Errors
    ///
    /// What the kernel says to it.
    pub fn add_route(&self, destination: Ipv4Addr, gateway: Ipv4Addr) -> Result<()> {
        let mut route = RouteMessage::default();
        route.header.address_family = AddressFamily::Inet;
        route.header.destination_prefix_length = PREFIX_LENGTH;
        route.header.table = RouteHeader::RT_TABLE_MAIN;
        route.header.protocol = RouteProtocol::Static;
        route.header.scope = RouteScope::Universe;
        route.header.kind = RouteType::Unicast;
        let network =
            Ipv4Addr::from_bits(destination.to_bits() & (u32::MAX << (32 - PREFIX_LENGTH)));
        route.attributes = vec![
            RouteAttribute::Destination(RouteAddress::Inet(network)),
            RouteAttribute::Gateway(RouteAddress::Inet(gateway)),
        ];
        self.0
            .change(RouteNetlinkMessage::NewRoute(route), NLM_F_CREATE | NLM_F_EXCL)
            .with_context(|| format!("add a route by {gateway}"))
    }
}

fn link(attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes = attributes;
    link
}

fn up(mut link: LinkMessage) -> LinkMessage {
    link.header.flags |= LinkFlags::Up;
    link.header.change_mask |= LinkFlags::Up;
    link
}

/// Returns what of this network namespace no file of /proc shows, a line each: devices with what they are set to, rules of
/// routing, routes of other tables than the two usual ones, and neighbours that somebody has written down.
///
/// # Errors
///
/// What the kernel says.
pub fn details() -> Result<Vec<String>> {
    let socket = Netlink::open()?;
    let mut lines: Vec<_> = socket.links()?.iter().map(device).collect();
    let requests = [
        RouteNetlinkMessage::GetRule(RuleMessage::default()),
        RouteNetlinkMessage::GetRoute(RouteMessage::default()),
        RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()),
    ];
    for request in requests {
        let list = socket.list(request).context("ask for rules, routes and neighbours")?;
        lines.extend(list.iter().filter_map(detail));
    }
    Ok(lines)
}

/// A device with what somebody can set, and not with what comes of it, such as a carrier.
fn device(link: &LinkMessage) -> String {
    let come = LinkFlags::Running | LinkFlags::LowerUp | LinkFlags::Dormant;
    let flags = (link.header.flags - come).iter_names().map(|(name, _)| name.to_uppercase());
    let mut line = String::new();
    // It has the hardware address of one of its ports.
    let is_bridge = link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(info) => info.contains(&LinkInfo::Kind(InfoKind::Bridge)),
        _ => false,
    });
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => line.insert_str(0, name),
            LinkAttribute::Mtu(mtu) => line += &format!(", mtu {mtu}"),
            LinkAttribute::TxQueueLen(length) => line += &format!(", queue of {length}"),
            LinkAttribute::Group(group) if *group != 0 => line += &format!(", group {group}"),
            LinkAttribute::Qdisc(name) => line += &format!(", queued by {name}"),
            LinkAttribute::Address(address) if !is_bridge => {
                line += &format!(", hardware {address:02x?}")
            }
            LinkAttribute::IfAlias(alias) => line += &format!(", alias {alias:?}"),
            LinkAttribute::Controller(other) => line += &format!(", on device {other}"),
            _ => {}
        }
    }
    format!("device: {line}, {}", flags.collect::<Vec<_>>().join(" "))
}

fn detail(message: &RouteNetlinkMessage) -> Option<String> {
    // The first one is a snapshot's. The second is for addresses of this machine, and the kernel's own as a rule: ip-route(8).
    let is_usual = |route: &RouteHeader| {
        route.table == RouteHeader::RT_TABLE_MAIN
            || route.table == 255 && route.protocol == RouteProtocol::Kernel
    };
    match message {
        RouteNetlinkMessage::NewRule(rule) => {
            Some(format!("rule: {:?}, {:?}", rule.header, rule.attributes))
        }
        RouteNetlinkMessage::NewRoute(route) if !is_usual(&route.header) => {
            Some(format!("route of table {}: {:?}", route.header.table, route.attributes))
        }
        RouteNetlinkMessage::NewNeighbour(neighbour)
            if neighbour.header.state == NeighbourState::Permanent =>
        {
            let address: Vec<_> = neighbour.attributes.iter().take(2).collect();
            Some(format!("neighbour: on device {}, {address:?}", neighbour.header.ifindex))
        }
        _ => None,
    }
}

/// Returns the flags of a device of this network namespace, as in `UP LOOPBACK RUNNING`: netdevice(7).
pub fn flags(name: &str) -> String {
    let all = getifaddrs().into_iter().flatten();
    let Some(device) = all.into_iter().find(|address| address.interface_name == name) else {
        return format!("no device {name}");
    };
    let names = device.flags.iter_names().map(|(name, _)| name.trim_start_matches("IFF_"));
    names.collect::<Vec<_>>().join(" ")
}

/// Lets the kernel accept connections, to both ports of all addresses of this network namespace, until the process ends.
pub fn listen() -> Result<()> {
    for port in [PORT, OTHER_PORT] {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).context("listen")?;
        std::mem::forget(listener);
    }
    Ok(())
}

/// What [`call`] returns when all is well.
pub const ANSWER: &str = "an answer";

/// Connects to an address, and returns what comes of it: [`ANSWER`], or the error.
pub fn call(address: Ipv4Addr) -> String {
    call_within(address, PATIENCE)
}

/// Connects to an address as [`call`] does, and waits so long.
pub fn call_within(address: Ipv4Addr, patience: Duration) -> String {
    call_at(SocketAddr::from((address, PORT)), patience)
}

/// Connects as [`call`] does, to this port.
pub fn call_port(address: Ipv4Addr, port: u16) -> String {
    call_at(SocketAddr::from((address, port)), PATIENCE)
}

fn call_at(address: SocketAddr, patience: Duration) -> String {
    let called = TcpStream::connect_timeout(&address, patience);
    match called {
        Ok(_) => ANSWER.into(),
        // Nobody listens, and it is the other side that says so.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => ANSWER.into(),
        Err(error) => error.to_string(),
    }
}
