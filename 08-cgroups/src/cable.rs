//! The cable between a container and its host: a bridge on the host, and a veth pair with one end on the
//! bridge and the other end in the container (veth(4)).
//!
//! All is said to the kernel over rtnetlink(7): a request, and then the answer, over a blocking socket. An
//! asynchronous crate would bring a runtime along for a handful of messages that wait for each other anyway.
//!
//! No file keeps account of who has which address. The kernel does: the host's end of a pair has the
//! container's address in its own hardware address, from the moment that it is there.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use common::diagnosis::{Cause, Known};
use common::reexec::Step;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::net::if_::{if_indextoname, if_nametoindex};
use nix::unistd::Pid;

/// The bridge, and its address, which is the containers' way out.
const BRIDGE: &str = "brg0";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 1);
const PREFIX_LENGTH: u8 = 24;

/// The container's end of the veth pair.
const CONTAINER_END: &str = "veth1";

/// The hardware address of a device of ours that stands for `address`. The second lowest bit of the first
/// byte says that no manufacturer has assigned it.
fn hardware_address(address: Ipv4Addr) -> LinkAttribute {
    LinkAttribute::Address([&[0x02, 0x63], &address.octets()[..]].concat())
}

/// An address for a container. Nobody else can take one, or remove the bridge, while this lives.
pub struct Reservation {
    pub address: Ipv4Addr,
    bridge: Option<u32>,
    _lock: Flock<File>,
}

/// Reserves an address for a container: `wanted`, or the first that is free.
pub fn reserve(wanted: Option<Ipv4Addr>) -> Result<Reservation> {
    let lock = lock()?;
    let net = Netlink::open()?;
    let links = net.links()?;
    let bridge = our_bridge(&links)?;
    if bridge.is_none() {
        refuse_used_network(&net)?;
    }
    let is_free =
        |address: &Ipv4Addr| !links.iter().any(|link| has(link, hardware_address(*address)));
    let mut hosts = (2..255).map(|host| Ipv4Addr::new(10, 10, 10, host));
    let address = match wanted {
        Some(wanted) => {
            let known = hosts.any(|host| host == wanted);
            ensure!(known, "the address {wanted} is not one of 10.10.10.2 to 10.10.10.254");
            ensure!(is_free(&wanted), "the address {wanted} is taken");
            wanted
        }
        None => hosts.find(is_free).context("all addresses of 10.10.10.0/24 are taken")?,
    };
    Ok(Reservation { address, bridge, _lock: lock })
}

impl Reservation {
    /// Lays the cable to the process `container`, which waits in its network namespace, and sees to it that
    /// there is a bridge.
    pub fn connect(self, container: Pid) -> Result<Cable> {
        let connected = self.make_bridge_and_veth(container);
        if connected.is_err() {
            remove_idle_bridge()?;
        }
        connected
    }

    fn make_bridge_and_veth(&self, container: Pid) -> Result<Cable> {
        let net = Netlink::open()?;
        let bridge = self.bridge.map_or_else(|| make_bridge(&net), Ok)?;
        // A launcher that was killed may have made the bridge, and no more: whatever address is there, this
        // takes its place.
        net.add_address(bridge, GATEWAY)
            .with_context(|| format!("give {BRIDGE} the address {GATEWAY}"))?;
        let host_end = format!("veth{container}");
        make_veth(&net, &host_end, container, bridge, self.address)
            .with_context(|| Step::Link(host_end.clone()))?;
        Ok(Cable { host_end })
    }
}

/// A cable that is laid.
pub struct Cable {
    host_end: String,
}

impl Cable {
    /// Removes the cable, and the bridge if it was the last one there.
    pub fn remove(self) -> Result<()> {
        let _lock = lock()?;
        let net = Netlink::open()?;
        // With the container its network namespace ends, and both ends of the cable with that: the kernel may
        // have been faster.
        if let Ok(index) = if_nametoindex(self.host_end.as_str()) {
            net.remove(index).with_context(|| format!("remove {}", self.host_end))?;
        }
        remove_idle_bridge()
    }
}

/// Sets the network of the container up, from inside: the loopback, and with an `address` the end of the
/// cable.
pub fn configure(address: Option<Ipv4Addr>) -> Result<()> {
    let net = Netlink::open()?;
    net.set_up("lo")?;
    let Some(address) = address else { return Ok(()) };
    let end = net.set_up(CONTAINER_END)?;
    net.add_address(end, address)
        .with_context(|| format!("give {CONTAINER_END} the address {address}"))?;
    net.add_default_route(GATEWAY).context("add the default route")
}

/// Fails if packets between containers would be dropped: with br_netfilter they pass the FORWARD chain of
/// iptables, and Docker sets its policy to DROP.
pub fn refuse_dropped_packets() -> Result<()> {
    let passes = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    if !passes.is_ok_and(|value| value.trim() == "1") {
        return Ok(());
    }
    let rules = Command::new("iptables").args(["-S", "FORWARD"]).output();
    let rules = rules.map(|output| output.stdout).unwrap_or_default();
    let rules = String::from_utf8_lossy(&rules);
    if rules.contains("-P FORWARD DROP") && !rules.contains("-i brg0 -o brg0 -j ACCEPT") {
        let dropped = Known::new(Cause::BrNetfilter, "containers cannot reach each other");
        bail!(dropped.remedy("sudo iptables -I FORWARD -i brg0 -o brg0 -j ACCEPT"));
    }
    Ok(())
}

/// Waits for the lock that makes choosing an address, connecting and removing one step each. It belongs to
/// this network namespace, and ends with the process at the latest: flock(2).
fn lock() -> Result<Flock<File>> {
    let namespace = File::open("/proc/self/ns/net").context("open this network namespace")?;
    Flock::lock(namespace, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .context("lock this network namespace")
}

/// Returns the index of our bridge, if there is one. Another one of that name is refused.
fn our_bridge(links: &[LinkMessage]) -> Result<Option<u32>> {
    let name = || LinkAttribute::IfName(BRIDGE.into());
    let Some(bridge) = links.iter().find(|link| has(link, name())) else { return Ok(None) };
    ensure!(
        has(bridge, hardware_address(GATEWAY)),
        "there is a device {BRIDGE} that is not ours. If nothing needs it: sudo ip link delete {BRIDGE}"
    );
    Ok(Some(bridge.header.index))
}

fn has(link: &LinkMessage, attribute: LinkAttribute) -> bool {
    link.attributes.contains(&attribute)
}

/// Fails if packets to 10.10.10.0/24, or to a part of it, already have a way.
fn refuse_used_network(net: &Netlink) -> Result<()> {
    for route in net.routes()? {
        let length = route.header.destination_prefix_length;
        let destination = route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(*address),
            _ => None,
        });
        // The default route has none: it is for everything that has no other.
        let Some(destination) = destination.filter(|address| overlaps(*address, length)) else {
            continue;
        };
        let device = route.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => if_indextoname(*index).ok(),
            _ => None,
        });
        bail!(
            "10.10.10.0/24 is in use: {destination}/{length} is routed to {}. Run this without root: \
             an ordinary user's bridge is not in the host's network",
            device.unwrap_or_default().to_string_lossy()
        );
    }
    Ok(())
}

/// Whether two networks, `address`/`length` and 10.10.10.0/24, have addresses in common.
fn overlaps(address: Ipv4Addr, length: u8) -> bool {
    let mask = u32::MAX << (32 - length.clamp(1, PREFIX_LENGTH));
    (address.to_bits() ^ GATEWAY.to_bits()) & mask == 0
}

/// Makes the bridge, and returns its index.
fn make_bridge(net: &Netlink) -> Result<u32> {
    let mut bridge = up(LinkMessage::default());
    bridge.attributes = vec![
        LinkAttribute::IfName(BRIDGE.into()),
        hardware_address(GATEWAY),
        // The kernel loads the module that a kind of device needs, if it has it.
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
    ];
    net.add_link(bridge).with_context(|| Step::Link(BRIDGE.into()))?;
    if_nametoindex(BRIDGE).with_context(|| format!("find {BRIDGE}"))
}

/// Makes a veth pair, with one end on the bridge, and the other in the container's network namespace from
/// the beginning: to move it there takes the kernel 20 ms.
fn make_veth(
    net: &Netlink,
    host_end: &str,
    container: Pid,
    bridge: u32,
    address: Ipv4Addr,
) -> io::Result<()> {
    let mut container_end = LinkMessage::default();
    container_end.attributes = vec![
        LinkAttribute::IfName(CONTAINER_END.into()),
        LinkAttribute::NetNsPid(container.as_raw() as u32),
    ];
    let mut pair = up(LinkMessage::default());
    pair.attributes = vec![
        LinkAttribute::IfName(host_end.into()),
        hardware_address(address),
        LinkAttribute::Controller(bridge),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(container_end))),
        ]),
    ];
    net.add_link(pair)
}

/// Sets the flag that a device is up.
fn up(mut link: LinkMessage) -> LinkMessage {
    link.header.flags |= LinkFlags::Up;
    link.header.change_mask |= LinkFlags::Up;
    link
}

/// Removes our bridge if no cable is left on it.
fn remove_idle_bridge() -> Result<()> {
    let net = Netlink::open()?;
    let links = net.links()?;
    match our_bridge(&links) {
        Ok(Some(bridge))
            if !links.iter().any(|link| has(link, LinkAttribute::Controller(bridge))) =>
        {
            net.remove(bridge).with_context(|| format!("remove the bridge {BRIDGE}"))
        }
        _ => Ok(()),
    }
}

/// A socket to the kernel's network configuration.
struct Netlink(Socket);

impl Netlink {
    fn open() -> Result<Netlink> {
        let open = || {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok::<_, io::Error>(Netlink(socket))
        };
        open().context("open a netlink socket")
    }

    /// Returns all network devices.
    fn links(&self) -> Result<Vec<LinkMessage>> {
        let mut request = LinkMessage::default();
        // Not the dozens of counters that each of them has.
        request.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
        let answer = self
            .ask(RouteNetlinkMessage::GetLink(request), NLM_F_DUMP)
            .context("list the network devices")?;
        Ok(answer
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewLink(link) => Some(link),
                _ => None,
            })
            .collect())
    }

    /// Returns all IPv4 routes.
    fn routes(&self) -> Result<Vec<RouteMessage>> {
        let mut request = RouteMessage::default();
        request.header.address_family = AddressFamily::Inet;
        let answer = self.ask(RouteNetlinkMessage::GetRoute(request), NLM_F_DUMP);
        Ok(answer
            .context("list the routes")?
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewRoute(route) => Some(route),
                _ => None,
            })
            .collect())
    }

    fn add_link(&self, link: LinkMessage) -> io::Result<()> {
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.ask(RouteNetlinkMessage::NewLink(link), flags).map(drop)
    }

    /// Removes a device. That there is none is no error.
    fn remove(&self, index: u32) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        match self.ask(RouteNetlinkMessage::DelLink(link), NLM_F_ACK) {
            Err(error) if error.raw_os_error() != Some(libc::ENODEV) => Err(error),
            _ => Ok(()),
        }
    }

    /// Sets the device `name` up, and returns its index.
    fn set_up(&self, name: &str) -> Result<u32> {
        let mut link = up(LinkMessage::default());
        link.header.index = if_nametoindex(name).with_context(|| format!("find {name}"))?;
        let index = link.header.index;
        self.ask(RouteNetlinkMessage::NewLink(link), NLM_F_ACK)
            .with_context(|| format!("set {name} up"))?;
        Ok(index)
    }

    /// Gives a device an address of 10.10.10.0/24. That it has it already is no error.
    fn add_address(&self, index: u32, address: Ipv4Addr) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = PREFIX_LENGTH;
        message.header.index = index;
        let broadcast = Ipv4Addr::from_bits(address.to_bits() | (u32::MAX >> PREFIX_LENGTH));
        message.attributes =
            vec![AddressAttribute::Local(address.into()), AddressAttribute::Broadcast(broadcast)];
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        self.ask(RouteNetlinkMessage::NewAddress(message), flags).map(drop)
    }

    fn add_default_route(&self, gateway: Ipv4Addr) -> io::Result<()> {
        let mut route = RouteMessage::default();
        route.header.address_family = AddressFamily::Inet;
        route.header.table = RouteHeader::RT_TABLE_MAIN;
        route.header.protocol = RouteProtocol::Static;
        route.header.scope = RouteScope::Universe;
        route.header.kind = RouteType::Unicast;
        route.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway))];
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.ask(RouteNetlinkMessage::NewRoute(route), flags).map(drop)
    }

    /// Sends a request, and returns all messages of its answer.
    fn ask(
        &self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut message = NetlinkMessage::from(request.clone());
        message.header.flags = NLM_F_REQUEST | flags;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.0.send(&bytes, 0)?;
        let (mut answer, mut interrupted) = (Vec::new(), false);
        loop {
            let (bytes, _) = self.0.recv_from_full()?;
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let message = NetlinkMessage::deserialize(rest).map_err(io::Error::other)?;
                // Messages start at multiples of four bytes: netlink(7).
                let length = (message.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
                interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(message) => answer.push(message),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(error.to_io());
                    }
                    // A list that has changed while the kernel wrote it.
                    NetlinkPayload::Done(_) if interrupted => return self.ask(request, flags),
                    NetlinkPayload::Done(_) | NetlinkPayload::Error(_) => return Ok(answer),
                    _ => {}
                }
            }
        }
    }
}
