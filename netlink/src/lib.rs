//! A request to the kernel's network configuration, and its answer: rtnetlink(7), over a blocking socket.
//!
//! The messages are those of the crate netlink-packet-route. What is asked is up to the caller. An asynchronous
//! crate would bring a runtime along for a handful of requests that wait for each other anyway.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let host = netlink::Netlink::open()?;
//! println!("{} network devices", host.links()?.len());
//! # Ok(())
//! # }
//! ```

use std::cell::Cell;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
pub use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use nix::sys::socket::{
    self, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send, socket,
};
use nix::unistd::Pid;

pub use routes::Route;

mod namespace;
mod routes;

/// Returns what a message of one kind holds.
macro_rules! variant {
    ($message:expr, $kind:ident) => {
        match $message {
            RouteNetlinkMessage::$kind(message) => Some(message),
            _ => None,
        }
    };
}

/// How often a list is asked for that changes while the kernel writes it.
const ATTEMPTS: usize = 100;

/// A socket to the configuration of one network namespace: the one that it was opened in, wherever its process
/// is later.
pub struct Netlink {
    socket: OwnedFd,
    /// The number of the last request. Its answer has the same: netlink(7), nlmsg_seq.
    sequence: Cell<u32>,
}

impl Netlink {
    /// Opens a socket to the network namespace that this process is in.
    ///
    /// # Errors
    ///
    /// socket(2), connect(2).
    pub fn open() -> Result<Netlink> {
        let open = || {
            let flags = SockFlag::SOCK_CLOEXEC;
            socket(socket::AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)
        };
        open().and_then(Netlink::connected).context("open a netlink socket")
    }

    /// Opens a socket to the network namespace of another process, whose user namespace may be another one, too.
    ///
    /// - `process`: its number in the PID namespace of the caller.
    ///
    /// # Errors
    ///
    /// setns(2): EPERM where the caller is root neither in the user namespace of the process nor above, and has
    /// not made it.
    pub fn open_in(process: Pid) -> Result<Netlink> {
        namespace::socket_in(process)
            .and_then(Netlink::connected)
            .with_context(|| format!("open a netlink socket in the network of process {process}"))
    }

    /// Connects a socket to the kernel, so that nobody else can send to it.
    fn connected(socket: OwnedFd) -> nix::Result<Netlink> {
        connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Netlink { socket, sequence: Cell::new(0) })
    }

    /// Asks for a list, such as all devices, and returns it.
    ///
    /// # Errors
    ///
    /// What the kernel says to it. A list that has changed meanwhile, or was longer than the socket could hold, is
    /// asked for again: after a hundred times, EBUSY.
    pub fn list(&self, request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..ATTEMPTS {
            self.send(request.clone(), NLM_F_DUMP)?;
            match self.receive() {
                Ok(Answer { messages, interrupted: false }) => return Ok(messages),
                Ok(_) => {}
                // The kernel had no room for a part of it: netlink(7).
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EBUSY.into())
    }

    /// Returns all network devices, without their counters.
    ///
    /// # Errors
    ///
    /// Those of [`Netlink::list`].
    pub fn links(&self) -> Result<Vec<LinkMessage>> {
        let mut request = LinkMessage::default();
        request.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
        let links = self.list(RouteNetlinkMessage::GetLink(request));
        let links = links.context("list the network devices")?.into_iter();
        Ok(links.filter_map(|message| variant!(message, NewLink)).collect())
    }

    /// Returns all IPv4 addresses.
    ///
    /// # Errors
    ///
    /// Those of [`Netlink::list`].
    pub fn addresses(&self) -> Result<Vec<AddressMessage>> {
        let mut request = AddressMessage::default();
        request.header.family = AddressFamily::Inet;
        let addresses = self.list(RouteNetlinkMessage::GetAddress(request));
        let addresses = addresses.context("list the addresses")?.into_iter();
        Ok(addresses.filter_map(|message| variant!(message, NewAddress)).collect())
    }

    /// Returns a route that a route of one's own to the network `address`/`length` would collide with.
    ///
    /// # Errors
    ///
    /// Those of [`Netlink::list`].
    pub fn colliding_route(&self, address: Ipv4Addr, length: u8) -> Result<Option<Route>> {
        let mut request = RouteMessage::default();
        request.header.address_family = AddressFamily::Inet;
        let routes = self.list(RouteNetlinkMessage::GetRoute(request));
        let routes = routes.context("list the routes")?.into_iter();
        let mut routes = routes.filter_map(|message| Route::of(&variant!(message, NewRoute)?));
        Ok(routes.find(|route| route.collides_with(address, length)))
    }

    /// Returns the index of the network device `name`.
    ///
    /// # Errors
    ///
    /// Those of [`Netlink::list`]; there is no such device.
    pub fn index_of(&self, name: &str) -> Result<u32> {
        let is_it =
            |link: &LinkMessage| link.attributes.contains(&LinkAttribute::IfName(name.into()));
        let link = self.links()?.into_iter().find(is_it);
        Ok(link.with_context(|| format!("find the network device {name}"))?.header.index)
    }

    /// Asks for a change, such as a new device, and returns when the kernel has made it.
    ///
    /// - `flags`: [`NLM_F_CREATE`] and others of netlink(7), "Additional flag bits for NEW requests".
    ///
    /// # Errors
    ///
    /// What the kernel says to it.
    pub fn change(&self, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.send(request, NLM_F_ACK | flags)?;
        self.receive().map(drop)
    }

    fn send(&self, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence.set(self.sequence.get().wrapping_add(1));
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence.get();
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        retry(|| send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty()))?;
        Ok(())
    }

    /// Receives the answer to the last request, in as many parts as it has.
    fn receive(&self) -> io::Result<Answer> {
        let mut answer = Answer { messages: Vec::new(), interrupted: false };
        loop {
            let part = self.receive_part()?;
            let mut rest = &part[..];
            while !rest.is_empty() {
                let message = NetlinkMessage::deserialize(rest).map_err(io::Error::other)?;
                // Messages start at multiples of four bytes: netlink(7), NLMSG_ALIGN.
                let length = (message.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
                // What is left of an answer that broke off.
                if message.header.sequence_number != self.sequence.get() {
                    continue;
                }
                answer.interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(message) => answer.messages.push(message),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(error.to_io());
                    }
                    NetlinkPayload::Done(_) | NetlinkPayload::Error(_) => return Ok(answer),
                    _ => {}
                }
            }
        }
    }

    /// Receives one datagram, however long it is.
    fn receive_part(&self) -> io::Result<Vec<u8>> {
        let socket = self.socket.as_raw_fd();
        let ask_for_length = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
        let mut part = vec![0; retry(|| recv(socket, &mut [], ask_for_length))?];
        let length = retry(|| recv(socket, &mut part, MsgFlags::empty()))?;
        part.truncate(length);
        Ok(part)
    }
}

/// What the kernel has said to one request.
struct Answer {
    messages: Vec<RouteNetlinkMessage>,
    /// Whether something has changed while the kernel wrote it.
    interrupted: bool,
}

/// Makes a call again that a signal has interrupted: signal(7).
fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
