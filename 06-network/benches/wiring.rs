//! What it costs to connect a container, beside what the kernel charges for it.
//!
//! Two ways, one after the other, again and again, on one bridge: `cable.rs` as the stage calls it, and a bare
//! program that knows what it can know beforehand, and sends the messages that cannot be done without. Measured
//! is the launcher's part, and the container's.
//!
//! `cargo bench -p network` (no root: the bridge is in a network namespace of this program).

use std::fs;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::check::{check, init_logging};
use common::reexec::{self, IdMap, Parked};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::mount::{MsFlags, mount};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, getgid, getpid, getuid};
#[allow(dead_code)]
#[path = "../src/cable.rs"]
mod cable;

/// Runs of each way.
const RUNS: usize = 200;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 1);

/// The container's address in all runs but the keeper's.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 200);

/// Where the container's part leaves its time, in nanoseconds. On a tmpfs of this program's own.
const TIME: &str = "/tmp/time";

fn main() -> ExitCode {
    init_logging();
    let ways: [(&str, reexec::Entrypoint<()>); 3] = [
        ("keeper", |_| Ok(ExitCode::SUCCESS)),
        ("bare", |_| timed(configure_bare)),
        ("cable", |_| timed(|| cable::configure(Some(ADDRESS)))),
    ];
    check(reexec::dispatch(&(), &ways, compare))
}

fn compare(_: &()) -> Result<ExitCode> {
    enter_namespaces()?;
    // Keeps the bridge.
    let keeper = container("keeper")?;
    let _cable = cable::reserve(None)?.connect(keeper.pid())?;
    let bridge = if_nametoindex("brg0").context("the bridge")?;
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..RUNS {
        times[0].push(measure("bare", |pid| make_veth_bare(pid, bridge))?);
        times[1]
            .push(measure("cable", |pid| cable::reserve(Some(ADDRESS))?.connect(pid).map(drop))?);
    }
    let medians = times.map(|times| {
        [0, 1].map(|part| {
            let mut times: Vec<_> = times.iter().map(|parts| parts[part]).collect();
            times.sort();
            times[RUNS / 2].as_secs_f64() * 1000.0
        })
    });
    println!("medians of {RUNS} runs, ms   launcher  container  both");
    for (name, [launcher, container]) in ["bare netlink", "cable.rs"].iter().zip(medians) {
        println!("{name:26} {launcher:10.2} {container:10.2} {:5.2}", launcher + container);
    }
    let [bare, cable] = medians.map(|parts| parts.iter().sum::<f64>());
    println!("ratio {:48.2}", cable / bare);
    Ok(ExitCode::SUCCESS)
}

/// Leaves the time that `configure` takes in [`TIME`].
fn timed(configure: impl Fn() -> Result<()>) -> Result<ExitCode> {
    let start = Instant::now();
    configure()?;
    fs::write(TIME, start.elapsed().as_nanos().to_string()).context("write the time")?;
    Ok(ExitCode::SUCCESS)
}

/// Moves this process into user, network and mount namespaces of its own.
fn enter_namespaces() -> Result<()> {
    let [uid, gid] = one_id_each(getuid().as_raw(), getgid().as_raw());
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    unshare(flags).context("unshare")?;
    reexec::write_id_maps(getpid(), &[uid], &[gid])?;
    mount(Some("tmp"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>).context("mount /tmp")
}

fn one_id_each(uid: u32, gid: u32) -> [IdMap; 2] {
    [uid, gid].map(|id| IdMap { container_id: id, host_id: id, size: 1 })
}

/// Starts a child in new user and network namespaces, which will go on with the function `way`.
fn container(way: &str) -> Result<Parked> {
    let mut ids = one_id_each(getuid().as_raw(), getgid().as_raw());
    for id in &mut ids {
        id.container_id = 0;
    }
    reexec::command(way)
        .cloneflag(CloneFlags::CLONE_NEWUSER)
        .cloneflag(CloneFlags::CLONE_NEWNET)
        .uid_mappings(&ids[..1])
        .gid_mappings(&ids[1..])
        .start()
}

/// Measures `connect`, from outside of a container, and what the function `way` does inside of it.
fn measure(way: &str, connect: impl Fn(Pid) -> Result<()>) -> Result<[Duration; 2]> {
    let parked = container(way)?;
    let pid = parked.pid();
    let start = Instant::now();
    connect(pid)?;
    let outside = start.elapsed();
    parked.release()?.wait()?;
    let inside = fs::read_to_string(TIME).context("the time")?.parse().context("the time")?;
    fs::remove_file(TIME).context("remove the time")?;
    // The kernel removes a cable some time after its container. The next one needs the address now.
    if let Ok(index) = if_nametoindex(format!("veth{pid}").as_str()) {
        let mut message = LinkMessage::default();
        message.header.index = index;
        // Too late where the kernel was faster.
        let _ = Bare::new()?.send(RouteNetlinkMessage::DelLink(message), 0);
    }
    Ok([outside, Duration::from_nanos(inside)])
}

fn make_veth_bare(container: Pid, bridge: u32) -> Result<()> {
    let mut end = LinkMessage::default();
    end.attributes = vec![
        LinkAttribute::IfName("veth1".into()),
        LinkAttribute::NetNsPid(container.as_raw() as u32),
    ];
    let mut pair = up(0);
    pair.attributes = vec![
        LinkAttribute::IfName(format!("veth{container}")),
        LinkAttribute::Controller(bridge),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end))),
        ]),
    ];
    Bare::new()?.make(RouteNetlinkMessage::NewLink(pair))
}

fn configure_bare() -> Result<()> {
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
struct Bare(Socket);

impl Bare {
    fn new() -> Result<Bare> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("socket")?;
        socket.bind_auto().context("bind")?;
        socket.connect(&SocketAddr::new(0, 0)).context("connect")?;
        Ok(Bare(socket))
    }

    /// Makes something new.
    fn make(&self, message: RouteNetlinkMessage) -> Result<()> {
        self.send(message, NLM_F_CREATE | NLM_F_EXCL)
    }

    fn send(&self, message: RouteNetlinkMessage, flags: u16) -> Result<()> {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.0.send(&bytes, 0).context("send")?;
        let (answer, _) = self.0.recv_from_full().context("receive")?;
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).context("answer")?.payload
        {
            NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io().into()),
            _ => Ok(()),
        }
    }
}
