//! What a wrong solution asks of the network in its own words, where the crates have none.

use std::os::fd::AsRawFd;

use anyhow::{Result, ensure};
use nix::libc::EEXIST;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// Sends a request, and waits until it is done: rtnetlink(7). What is there already is as good as new.
///
/// - `kind`: such as RTM_NEWADDR.
/// - `flags`: those of netlink(7) besides NLM_F_REQUEST and NLM_F_ACK.
/// - `body`: all that follows the header.
pub fn request(kind: u16, flags: u16, body: &[u8]) -> Result<()> {
    let (route, close_on_exec) = (SockProtocol::NetlinkRoute, SockFlag::SOCK_CLOEXEC);
    let socket = socket(AddressFamily::Netlink, SockType::Raw, close_on_exec, route)?;
    let mut message = Vec::new();
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((flags | 1 | 4).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 4096];
    let _ = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let error = i32::from_ne_bytes(answer[16..20].try_into()?);
    ensure!(error == 0 || error == -EEXIST, "netlink: {error}");
    Ok(())
}
