//! The network of a container: a bridge on the host, and a cable from there to the container, which is a veth pair
//! with one end on the bridge and the other in the container (veth(4)).
//!
//! No file keeps account of who has which address. The kernel does: the host's end of a cable is named by it, and
//! no two devices have the same name.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use common::check::warn;
use common::diagnosis::{Cause, Known};
use common::lock::Lock;
use common::reexec::Step;
use netlink::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Netlink};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Prop,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc;
use nix::unistd::{Pid, getuid};

/// The bridge, and its address, which is the containers' way out.
pub const BRIDGE: &str = "brg0";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 1);
const PREFIX_LENGTH: u8 = 24;

/// The container's end of the cable.
const CONTAINER_END: &str = "veth1";

/// Something that must not be there yet.
const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// The host's end of the cable to a container with this address.
fn host_end(address: Ipv4Addr) -> String {
    format!("veth-{}", address.octets()[3])
}

/// The hardware address of our bridge. The second lowest bit of the first byte says that no manufacturer has
/// assigned it.
fn hardware_address() -> LinkAttribute {
    LinkAttribute::Address([&[0x02, 0x63], &GATEWAY.octets()[..]].concat())
}

/// A cable that is laid. Dropped, it is removed, and the bridge with it if it was the last one there.
pub struct Cable {
    index: u32,
}

/// Lays a cable to the process `container`, which waits in its network namespace, and sees to it that there is a
/// bridge. The container's address is `wanted`, or else the first that is free.
pub fn connect(container: Pid, inside: &Netlink, wanted: Option<Ipv4Addr>) -> Result<Cable> {
    let _turn = take_turn()?;
    let host = Netlink::open()?;
    let connected = connect_to_bridge(&host, container, inside, wanted);
    if connected.is_err() {
        warn(remove_idle_bridge(&host));
    }
    Ok(Cable { index: connected? })
}

impl Drop for Cable {
    fn drop(&mut self) {
        // An ordinary user's bridge ends with this process, and all cables with it.
        if getuid().is_root() {
            warn(take_turn().and_then(|_turn| {
                let host = Netlink::open()?;
                // With the container its network namespace ends, and both ends of the cable with that: the kernel
                // may have been faster.
                remove(&host, self.index).context("remove the cable")?;
                remove_idle_bridge(&host)
            }));
        }
    }
}

/// Waits until no other launcher chooses an address, connects, or removes, in this network namespace.
fn take_turn() -> Result<Lock> {
    Lock::take(BRIDGE, Path::new("/proc/self/ns/net"))
}

fn connect_to_bridge(
    host: &Netlink,
    container: Pid,
    inside: &Netlink,
    wanted: Option<Ipv4Addr>,
) -> Result<u32> {
    let address = free_address(&host.links()?, wanted)?;
    let bridge = match find_bridge(host)? {
        Some(bridge) => bridge,
        None => make_bridge(host)?,
    };
    // A launcher that was killed may have made the bridge, and no more; or somebody has set it down.
    add_address(host, bridge, GATEWAY)?;
    set_up(host, BRIDGE)?;
    let cable = make_veth(host, container, bridge, address)?;
    let configured = configure(inside, address);
    if configured.is_err() {
        warn(remove(host, cable).context("remove the cable"));
    }
    configured.map(|()| cable)
}

/// Returns an address that no cable has: `wanted`, or the first.
fn free_address(links: &[LinkMessage], wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr> {
    let is_free = |address: &Ipv4Addr| find(links, &host_end(*address)).is_none();
    let mut addresses = (2..255).map(|host| Ipv4Addr::new(10, 10, 10, host));
    let Some(wanted) = wanted else {
        return addresses.find(is_free).context("all addresses of 10.10.10.0/24 are taken");
    };
    let known = addresses.any(|address| address == wanted);
    ensure!(known, "the address {wanted} is not one of 10.10.10.2 to 10.10.10.254");
    ensure!(is_free(&wanted), "the address {wanted} is taken");
    Ok(wanted)
}

/// Returns the index of our bridge, if there is one. Another device of that name is refused, and so is another way
/// to 10.10.10.0/24.
pub fn find_bridge(host: &Netlink) -> Result<Option<u32>> {
    let links = host.links()?;
    if let Some(bridge) = find(&links, BRIDGE) {
        ensure!(
            is_ours(bridge),
            in_use(format!("there is a device {BRIDGE} that is not ours"))
                .remedy(format!("sudo ip link delete {BRIDGE}"))
        );
        return Ok(Some(bridge.header.index));
    }
    match host.colliding_route(GATEWAY, PREFIX_LENGTH)? {
        Some(route) => bail!(in_use(format!("10.10.10.0/24 is in use: {route}"))),
        None => Ok(None),
    }
}

fn in_use(said: String) -> Known {
    Known::new(Cause::NetworkInUse, said)
}

fn is_ours(bridge: &LinkMessage) -> bool {
    let kind = LinkInfo::Kind(InfoKind::Bridge);
    bridge.attributes.contains(&hardware_address())
        && bridge.attributes.iter().any(|attribute| match attribute {
            LinkAttribute::LinkInfo(info) => info.contains(&kind),
            _ => false,
        })
}

/// Makes the bridge, and returns its index.
fn make_bridge(host: &Netlink) -> Result<u32> {
    let bridge = link(vec![
        LinkAttribute::IfName(BRIDGE.into()),
        hardware_address(),
        // The kernel loads the module that a kind of device needs, if it has it.
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
    ]);
    host.change(RouteNetlinkMessage::NewLink(bridge), NEW)
        .with_context(|| Step::Link(BRIDGE.into()))?;
    // Before it is up. A container could make itself the host's way out otherwise, as a router of IPv6 does:
    // CVE-2020-13401.
    let accept = format!("/proc/sys/net/ipv6/conf/{BRIDGE}/accept_ra");
    match fs::write(&accept, "0") {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn!("{BRIDGE} accepts routes from containers: write {accept}: {error}");
        }
        // Without the file, the kernel has no IPv6.
        _ => {}
    }
    host.index_of(BRIDGE)
}

/// Makes a veth pair, and returns the index of the host's end, which is on the bridge. The other end is in the
/// container's network namespace from the beginning: to move it there takes the kernel 20 ms.
fn make_veth(host: &Netlink, container: Pid, bridge: u32, address: Ipv4Addr) -> Result<u32> {
    let container_end = link(vec![
        LinkAttribute::IfName(CONTAINER_END.into()),
        LinkAttribute::NetNsPid(container.as_raw() as u32),
    ]);
    let name = host_end(address);
    let pair = link(vec![
        LinkAttribute::IfName(name.clone()),
        LinkAttribute::Controller(bridge),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(container_end))),
        ]),
    ]);
    host.change(RouteNetlinkMessage::NewLink(up(pair)), NEW)
        .with_context(|| Step::Link(name.clone()))?;
    host.index_of(&name)
}

/// Gives the container's end its address, and the container a way out.
fn configure(inside: &Netlink, address: Ipv4Addr) -> Result<()> {
    set_up(inside, CONTAINER_END)?;
    add_address(inside, inside.index_of(CONTAINER_END)?, address)?;
    let mut route = RouteMessage::default();
    route.header.address_family = AddressFamily::Inet;
    route.header.table = RouteHeader::RT_TABLE_MAIN;
    route.header.protocol = RouteProtocol::Static;
    route.header.scope = RouteScope::Universe;
    route.header.kind = RouteType::Unicast;
    route.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(GATEWAY))];
    inside.change(RouteNetlinkMessage::NewRoute(route), NEW).context("add the default route")
}

/// Removes our bridge if no cable is left on it, and nobody has given it another address.
fn remove_idle_bridge(host: &Netlink) -> Result<()> {
    let links = host.links()?;
    let Some(bridge) = find(&links, BRIDGE).filter(|bridge| is_ours(bridge)) else { return Ok(()) };
    let index = bridge.header.index;
    let (cable, ours) = (LinkAttribute::Controller(index), AddressAttribute::Local(GATEWAY.into()));
    let is_used = links.iter().any(|link| link.attributes.contains(&cable))
        || host
            .addresses()?
            .iter()
            .any(|address| address.header.index == index && !address.attributes.contains(&ours));
    if is_used {
        return Ok(());
    }
    remove(host, index).with_context(|| format!("remove the bridge {BRIDGE}"))
}

fn find<'a>(links: &'a [LinkMessage], name: &str) -> Option<&'a LinkMessage> {
    // A device can have other names besides, which are nobody else's either: ip-link(8), altname.
    let (name, other) = (LinkAttribute::IfName(name.into()), Prop::AltIfName(name.into()));
    let is_it = |attribute: &LinkAttribute| match attribute {
        LinkAttribute::PropList(others) => others.contains(&other),
        attribute => *attribute == name,
    };
    links.iter().find(|link| link.attributes.iter().any(is_it))
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

/// Sets a device up.
pub fn set_up(net: &Netlink, name: &str) -> Result<()> {
    let link = up(link(vec![LinkAttribute::IfName(name.into())]));
    net.change(RouteNetlinkMessage::NewLink(link), 0).with_context(|| format!("set {name} up"))
}

/// Removes a device. It is no error if there is none.
fn remove(net: &Netlink, index: u32) -> io::Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = index;
    match net.change(RouteNetlinkMessage::DelLink(link), 0) {
        Err(error) if error.raw_os_error() != Some(libc::ENODEV) => Err(error),
        _ => Ok(()),
    }
}

/// Gives a device an address of 10.10.10.0/24. That it has it already is no error.
fn add_address(net: &Netlink, index: u32, address: Ipv4Addr) -> Result<()> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = PREFIX_LENGTH;
    message.header.index = index;
    let broadcast = Ipv4Addr::from_bits(address.to_bits() | (u32::MAX >> PREFIX_LENGTH));
    message.attributes =
        vec![AddressAttribute::Local(address.into()), AddressAttribute::Broadcast(broadcast)];
    net.change(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
        .with_context(|| format!("set the address {address}"))
}
