//! The cable between a container and its host: a bridge on the host, and a veth pair with one end on the
//! bridge and the other end in the container (veth(4)).
//!
//! All is said to the kernel over rtnetlink(7), with the crate of that name. Its functions are asynchronous,
//! and here each is waited for at once: on a runtime of this thread alone, since a process with several
//! threads could not enter a user namespace (unshare(2), EINVAL).
//!
//! No file keeps account of who has which address. The kernel does: the host's end of a pair has the
//! container's address in its own hardware address, from the moment that it is there.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use futures_util::TryStreamExt;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::unistd::Pid;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder};

/// The bridge, and its address, which is the containers' way out.
const BRIDGE: &str = "brg0";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 1);
const PREFIX_LENGTH: u8 = 24;

/// The container's end of the veth pair.
const CONTAINER_END: &str = "veth1";

/// The hardware address of a device of ours that stands for `address`. The second lowest bit of the first
/// byte says that no manufacturer has assigned it.
fn hardware_address(address: Ipv4Addr) -> Vec<u8> {
    [&[0x02, 0x63], &address.octets()[..]].concat()
}

/// An address for a container. Nobody else can take one, or remove the bridge, while this lives.
pub struct Reservation {
    pub address: Ipv4Addr,
    _lock: Flock<File>,
}

/// Reserves an address for a container: `wanted`, or the first that is free.
pub fn reserve(wanted: Option<Ipv4Addr>) -> Result<Reservation> {
    let lock = lock()?;
    let address = netlink(async |net| {
        let links = links(&net).await?;
        let bridge = our_bridge(&links)?;
        refuse_foreign_routes(&net, &links, bridge).await?;
        let taken = |address: &Ipv4Addr| {
            let mark = hardware_address(*address);
            links.iter().any(|link| has(link, &LinkAttribute::Address(mark.clone())))
        };
        let hosts = || (2..255).map(|host| Ipv4Addr::new(10, 10, 10, host));
        match wanted {
            Some(address) if !hosts().any(|host| host == address) => {
                bail!("the address {address} is not one of 10.10.10.2 to 10.10.10.254")
            }
            Some(address) if taken(&address) => bail!("the address {address} is taken"),
            Some(address) => Ok(address),
            None => hosts()
                .find(|host| !taken(host))
                .context("all addresses of 10.10.10.0/24 are taken"),
        }
    })?;
    Ok(Reservation { address, _lock: lock })
}

impl Reservation {
    /// Lays the cable to the process `container`, which waits in its network namespace, and sees to it that
    /// there is a bridge.
    pub fn connect(self, container: Pid) -> Result<Cable> {
        let connected = netlink(async |net| {
            let bridge = match our_bridge(&links(&net).await?)? {
                Some(bridge) => bridge,
                None => make_bridge(&net).await?,
            };
            make_veth(&net, container, bridge, self.address).await
        });
        if connected.is_err() {
            remove_idle_bridge()?;
        }
        connected?;
        Ok(Cable { host_end: host_end(container) })
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
        netlink(async |net| {
            // With the container its network namespace ends, and both ends of the cable with that: the
            // kernel may have been faster.
            match find(&links(&net).await?, &self.host_end) {
                Some(index) => ignore_missing(net.link().del(index).execute().await),
                None => Ok(()),
            }
            .with_context(|| format!("remove {}", self.host_end))
        })?;
        remove_idle_bridge()
    }
}

/// Sets the network of the container up, from inside: the loopback, and with an `address` the end of the
/// cable.
pub fn configure(address: Option<Ipv4Addr>) -> Result<()> {
    netlink(async |net| {
        set_up(&net, "lo").await?;
        let Some(address) = address else { return Ok(()) };
        let index = set_up(&net, CONTAINER_END).await?;
        let add = net.address().add(index, address.into(), PREFIX_LENGTH).execute();
        answer(add.await).with_context(|| format!("give {CONTAINER_END} the address {address}"))?;
        let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(GATEWAY).build();
        answer(net.route().add(route).execute().await).context("add the default route")
    })
}

/// Warns if packets between containers would be dropped: with br_netfilter they pass the FORWARD chain of
/// iptables, and Docker sets its policy to DROP.
pub fn warn_of_dropped_packets() {
    let passes = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    if !passes.is_ok_and(|value| value.trim() == "1") {
        return;
    }
    let rules = Command::new("iptables").args(["-S", "FORWARD"]).output();
    let rules = rules.map(|output| output.stdout).unwrap_or_default();
    let rules = String::from_utf8_lossy(&rules);
    if rules.contains("-P FORWARD DROP") && !rules.contains("-i brg0 -o brg0 -j ACCEPT") {
        log::warn!(
            "containers cannot reach each other: br_netfilter is loaded, and iptables drops what it is to \
             forward (as Docker wants it). This lets them: sudo iptables -I FORWARD -i brg0 -o brg0 -j ACCEPT"
        );
    }
}

/// Waits for the lock that makes choosing an address, connecting and removing one step each. It belongs to
/// this network namespace, and ends with the process at the latest: flock(2).
fn lock() -> Result<Flock<File>> {
    let namespace = File::open("/proc/self/ns/net").context("open this network namespace")?;
    Flock::lock(namespace, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .context("lock this network namespace")
}

/// Calls `talk` with a connection to the kernel, and waits for it to end.
fn netlink<T>(talk: impl AsyncFnOnce(Handle) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    runtime.context("make a runtime")?.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection().context("open a netlink socket")?;
        tokio::spawn(connection);
        talk(handle).await
    })
}

/// Turns an answer of the kernel into a result with an errno.
fn answer<T>(answer: Result<T, rtnetlink::Error>) -> Result<T> {
    answer.map_err(|error| match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io().into(),
        other => other.into(),
    })
}

/// Like [`answer`]; that there is no such device is none.
fn ignore_missing(result: Result<(), rtnetlink::Error>) -> Result<()> {
    match answer(result) {
        Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(()),
        result => result,
    }
}

fn errno(error: &anyhow::Error) -> Option<i32> {
    error.downcast_ref::<std::io::Error>()?.raw_os_error()
}

async fn links(net: &Handle) -> Result<Vec<LinkMessage>> {
    answer(net.link().get().execute().try_collect().await).context("list the network devices")
}

fn has(link: &LinkMessage, attribute: &LinkAttribute) -> bool {
    link.attributes.contains(attribute)
}

/// Returns the index of the device `name`.
fn find(links: &[LinkMessage], name: &str) -> Option<u32> {
    let name = LinkAttribute::IfName(name.to_owned());
    links.iter().find(|link| has(link, &name)).map(|link| link.header.index)
}

/// Returns the index of our bridge, if there is one. Another one of that name is refused.
fn our_bridge(links: &[LinkMessage]) -> Result<Option<u32>> {
    let Some(index) = find(links, BRIDGE) else { return Ok(None) };
    let mark = LinkAttribute::Address(hardware_address(GATEWAY));
    let ours = links.iter().any(|link| link.header.index == index && has(link, &mark));
    ensure!(
        ours,
        "there is a device {BRIDGE} that is not ours. If nothing needs it: sudo ip link delete {BRIDGE}"
    );
    Ok(Some(index))
}

/// Fails if packets to 10.10.10.0/24, or a part of it, already have a way that is not our bridge.
async fn refuse_foreign_routes(
    net: &Handle,
    links: &[LinkMessage],
    bridge: Option<u32>,
) -> Result<()> {
    let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let routes: Vec<RouteMessage> =
        answer(net.route().get(all).execute().try_collect().await).context("list the routes")?;
    for route in routes {
        let length = route.header.destination_prefix_length;
        let mut device = None;
        let mut destination = None;
        for attribute in &route.attributes {
            match attribute {
                RouteAttribute::Oif(index) => device = Some(*index),
                RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                    destination = Some(*address)
                }
                _ => {}
            }
        }
        // The default route is for everything that has no other.
        let Some(destination) = destination.filter(|_| length > 0) else { continue };
        if overlaps(destination, length) && (device.is_none() || device != bridge) {
            let named =
                |index| links.iter().find(|link| Some(link.header.index) == index).and_then(name);
            bail!(
                "10.10.10.0/24 is in use: {destination}/{length} is routed to {}. \
                 Run this without root: an ordinary user's bridge is not in the host's network",
                named(device).unwrap_or("nowhere")
            );
        }
    }
    Ok(())
}

fn name(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Whether two networks, `address`/`length` and 10.10.10.0/24, have addresses in common.
fn overlaps(address: Ipv4Addr, length: u8) -> bool {
    let mask = u32::MAX << (32 - length.min(PREFIX_LENGTH));
    (address.to_bits() ^ GATEWAY.to_bits()) & mask == 0
}

/// Makes the bridge, and returns its index.
async fn make_bridge(net: &Handle) -> Result<u32> {
    // The kernel loads the module that a kind of device needs, if it has it.
    let bridge = LinkBridge::new(BRIDGE).address(hardware_address(GATEWAY)).up().build();
    answer(net.link().add(bridge).execute().await).map_err(|error| {
        let advice = match errno(&error) {
            Some(libc::EPERM) => {
                " (this root has no CAP_NET_ADMIN for this network namespace; \
                 an ordinary user gets one of their own: run it without root)"
            }
            Some(libc::EOPNOTSUPP) => " (the kernel has no bridges: sudo modprobe -a bridge veth)",
            _ => "",
        };
        error.context(format!("make the bridge {BRIDGE}{advice}"))
    })?;
    let index = find(&links(net).await?, BRIDGE).with_context(|| format!("{BRIDGE} is gone"))?;
    let add = net.address().add(index, GATEWAY.into(), PREFIX_LENGTH).execute();
    answer(add.await).with_context(|| format!("give {BRIDGE} the address {GATEWAY}"))?;
    Ok(index)
}

/// The host's end of a container's cable.
fn host_end(container: Pid) -> String {
    format!("veth{container}")
}

/// Makes a veth pair, with one end on the bridge, and the other in the container's network namespace from
/// the beginning: to move it there takes the kernel 20 ms.
async fn make_veth(net: &Handle, container: Pid, bridge: u32, address: Ipv4Addr) -> Result<()> {
    let host_end = host_end(container);
    let container_end =
        LinkUnspec::new_with_name(CONTAINER_END).setns_by_pid(container.as_raw() as u32);
    let pair = LinkVeth::new(&host_end, CONTAINER_END)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(container_end.build())))
        .address(hardware_address(address))
        .controller(bridge)
        .up()
        .build();
    answer(net.link().add(pair).execute().await)
        .with_context(|| format!("make the cable {host_end}"))
}

/// Removes our bridge if no cable is left on it.
fn remove_idle_bridge() -> Result<()> {
    netlink(async |net| {
        let links = links(&net).await?;
        let Ok(Some(bridge)) = our_bridge(&links) else { return Ok(()) };
        if links.iter().any(|link| has(link, &LinkAttribute::Controller(bridge))) {
            return Ok(());
        }
        ignore_missing(net.link().del(bridge).execute().await)
            .with_context(|| format!("remove the bridge {BRIDGE}"))
    })
}

/// Sets the device `name` up, and returns its index.
async fn set_up(net: &Handle, name: &str) -> Result<u32> {
    let index =
        find(&links(net).await?, name).with_context(|| format!("there is no device {name}"))?;
    let change = net.link().change(LinkUnspec::new_with_index(index).up().build());
    answer(change.execute().await).with_context(|| format!("set {name} up"))?;
    Ok(index)
}
