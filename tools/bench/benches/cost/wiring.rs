//! What it costs to connect a container, beside what the kernel charges for it.
//!
//! Two ways, one after the other, again and again, on one bridge: `network.rs` as stage 06 calls it, and a bare
//! program that knows what it can know beforehand, and sends the messages that cannot be done without. Both do it
//! from outside.

use std::fs;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::Floor;
use common::reexec::{self, Created, IdMap};
use netlink::{NLM_F_CREATE, NLM_F_EXCL, Netlink};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::net::if_::if_nametoindex;
use nix::sched::CloneFlags;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getgid, getuid};
use stage_network::Cable;

use crate::measure::{Candidate, Way, take_turns};
use crate::report::Report;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 1);

/// The container's address in all runs but the keeper's.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 200);

/// The host's end of a cable that is made with bare messages.
pub const BARE: &str = "veth-bare";

/// The host's end of a cable to [`ADDRESS`], as stage 06 names it.
const STAGE: &str = "veth-200";

/// The host's end of a cable whose end says that those before it have ended.
const LAST: &str = "veth-last";

/// Where the container's part leaves its time, in nanoseconds. On a tmpfs of this program's own.
const TIME: &str = "/tmp/time";

/// The entry point of a container that keeps the bridge.
pub fn empty() -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}

/// The entry point of a container that configures its network with bare messages.
pub fn bare() -> Result<ExitCode> {
    timed(configure_bare)
}

/// Measures both ways.
pub fn measure(rounds: usize, report: &mut Report) -> Result<()> {
    let keeper = container("empty", CloneFlags::CLONE_NEWNET)?;
    let _cable = connect_as_stage(keeper.pid(), None)?;
    let bridge = bridge()?;
    let bare = move || time_bare(bridge);
    let candidates = vec![
        Candidate::new("06", "bare netlink", "", Way::Timed(Box::new(bare))).settle(settle),
        Candidate::new("06", "network.rs", "", Way::Timed(Box::new(time_stage))).settle(settle),
    ];
    take_turns("network", candidates, rounds, report)
}

/// Does what stage 06 does to connect a container.
fn connect_as_stage(container: Pid, address: Option<Ipv4Addr>) -> Result<Cable> {
    let inside = Netlink::open_in(container)?;
    stage_network::set_up(&inside, "lo")?;
    stage_network::connect(container, &inside, address)
}

/// Returns the index of the bridge that a running container of stage 06 keeps.
pub fn bridge() -> Result<u32> {
    if_nametoindex("brg0").context("the bridge")
}

/// Leaves the time that `configure` takes in [`TIME`].
fn timed(configure: impl Fn() -> Result<()>) -> Result<ExitCode> {
    let start = Instant::now();
    configure()?;
    fs::write(TIME, start.elapsed().as_nanos().to_string()).context("write the time")?;
    Ok(ExitCode::SUCCESS)
}

/// Starts a child in a new user namespace and those of `flags`, which will go on with the function `way`.
pub fn container(way: &str, flags: CloneFlags) -> Result<Created> {
    reexec::command(way)
        .cloneflag(CloneFlags::CLONE_NEWUSER)
        .cloneflag(flags)
        .uid_mappings(&[IdMap::one(0, getuid())])
        .gid_mappings(&[IdMap::one(0, getgid())])
        .create()
}

/// Returns what the bare messages take, outside of the container and inside.
fn time_bare(bridge: u32) -> Result<Duration> {
    let created = container("bare", CloneFlags::CLONE_NEWNET)?;
    let start = Instant::now();
    make_veth_bare(created.pid(), bridge)?;
    let outside = start.elapsed();
    created.start()?.wait()?;
    let inside: u64 = fs::read_to_string(TIME).context("the time")?.parse().context("the time")?;
    fs::remove_file(TIME).context("remove the time")?;
    remove(BARE);
    Ok(outside + Duration::from_nanos(inside))
}

/// Returns what stage 06 takes, all of it outside.
fn time_stage() -> Result<Duration> {
    let created = container("empty", CloneFlags::CLONE_NEWNET)?;
    let start = Instant::now();
    let cable = connect_as_stage(created.pid(), Some(ADDRESS))?;
    let time = start.elapsed();
    created.start()?.wait()?;
    drop(cable);
    remove(STAGE);
    Ok(time)
}

/// Removes a device, and waits until it is gone. (The kernel removes a cable some time after its container, and
/// is slow in the meantime.)
pub fn remove(device: &str) {
    while let Ok(index) = if_nametoindex(device) {
        let mut message = LinkMessage::default();
        message.header.index = index;
        // Too late where the kernel was faster.
        let _ = Bare::new().and_then(|net| net.send(RouteNetlinkMessage::DelLink(message), 0));
        thread::yield_now();
    }
}

/// Waits until the kernel has removed the network namespaces that have ended so far. It does so later, in a thread
/// of its own and one after the other, and whoever configures a network meanwhile has to wait for it.
pub fn settle() -> Result<()> {
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET;
    let make_last = |pid| make_veth_to(pid, LAST, None);
    let last = Floor::new(flags, "/bin/true").start_prepared(make_last, || Ok(()))?;
    waitpid(last, None).context("wait for the last of them")?;
    let start = Instant::now();
    while if_nametoindex(LAST).is_ok() {
        ensure!(start.elapsed() < Duration::from_secs(60), "{LAST} is still there");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Makes a veth pair, with one end on the bridge, and the other in the container.
pub fn make_veth_bare(container: Pid, bridge: u32) -> Result<()> {
    make_veth_to(container, BARE, Some(bridge))
}

/// Makes a veth pair whose other end is named `host_end`, and is on a bridge where one is given.
fn make_veth_to(container: Pid, host_end: &str, bridge: Option<u32>) -> Result<()> {
    let mut end = LinkMessage::default();
    end.attributes = vec![
        LinkAttribute::IfName("veth1".into()),
        LinkAttribute::NetNsPid(container.as_raw() as u32),
    ];
    let mut pair = up(0);
    pair.attributes = vec![
        LinkAttribute::IfName(host_end.into()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end))),
        ]),
    ];
    pair.attributes.extend(bridge.map(LinkAttribute::Controller));
    Bare::new()?.make(RouteNetlinkMessage::NewLink(pair))
}

/// Returns what it takes to make a veth pair that has one end in a container: made there at once, or `moved`.
pub fn time_veth(moved: bool) -> Result<Duration> {
    let container = container("empty", CloneFlags::CLONE_NEWNET)?;
    let pid = container.pid();
    let net = Bare::new()?;
    let there = LinkAttribute::NetNsPid(pid.as_raw() as u32);
    let mut end = LinkMessage::default();
    end.attributes = vec![LinkAttribute::IfName("veth1".into())];
    if !moved {
        end.attributes.push(there.clone());
    }
    let mut pair = LinkMessage::default();
    pair.attributes = vec![
        LinkAttribute::IfName(BARE.into()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end))),
        ]),
    ];
    let start = Instant::now();
    net.make(RouteNetlinkMessage::NewLink(pair))?;
    if moved {
        let mut end = LinkMessage::default();
        end.header.index = if_nametoindex("veth1").context("veth1")?;
        end.attributes = vec![there];
        net.send(RouteNetlinkMessage::NewLink(end), 0)?;
    }
    let time = start.elapsed();
    container.start()?.wait()?;
    remove(BARE);
    Ok(time)
}

/// Sets up the network of the container that this process is in.
pub fn configure_bare() -> Result<()> {
    let net = Bare::new()?;
    // The loopback is the first device of every network namespace. Of the other only the name is known.
    let end = if_nametoindex("veth1").context("veth1")?;
    for index in [1, end] {
        net.send(RouteNetlinkMessage::NewLink(up(index)), 0)?;
    }
    let mut address = AddressMessage::default();
    address.header.family = AddressFamily::Inet;
    address.header.prefix_len = 24;
    address.header.index = end;
    address.attributes = vec![AddressAttribute::Local(ADDRESS.into())];
    net.make(RouteNetlinkMessage::NewAddress(address))?;
    let mut route = RouteMessage::default();
    route.header.address_family = AddressFamily::Inet;
    route.header.table = RouteHeader::RT_TABLE_MAIN;
    route.header.protocol = RouteProtocol::Static;
    route.header.kind = RouteType::Unicast;
    route.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(GATEWAY))];
    net.make(RouteNetlinkMessage::NewRoute(route))
}

/// A message that sets a device up.
fn up(index: u32) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    link
}

/// A socket, and one message after the other.
struct Bare(Netlink);

impl Bare {
    fn new() -> Result<Bare> {
        Netlink::open().map(Bare)
    }

    /// Makes something new.
    fn make(&self, message: RouteNetlinkMessage) -> Result<()> {
        self.send(message, NLM_F_CREATE | NLM_F_EXCL)
    }

    fn send(&self, message: RouteNetlinkMessage, flags: u16) -> Result<()> {
        Ok(self.0.change(message, flags)?)
    }
}
