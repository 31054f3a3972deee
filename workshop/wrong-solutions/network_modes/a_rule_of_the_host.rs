// refused with: what your function leaves on the host
// refused with: + rule:

use std::fs;

use anyhow::Result;
use nix::sched::{self, CloneFlags};
use nix::unistd::Pid;
enum Mode<'a> {
    Host,
    None,
    Container(Pid),
    Bridge(&'a dyn Fn(Pid) -> Result<()>),
}
fn enter(mode: Mode) -> Result<()> {
    add_rule()?;
    match mode {
        Mode::Host => {}
        Mode::None => sched::unshare(CloneFlags::CLONE_NEWNET)?,
        Mode::Container(other) => {
            let namespace = fs::File::open(format!("/proc/{other}/ns/net"))?;
            sched::setns(namespace, CloneFlags::CLONE_NEWNET)?;
        }
        Mode::Bridge(lay) => {
            sched::unshare(CloneFlags::CLONE_NEWNET)?;
            lay(Pid::this())?;
        }
    }
    Ok(())
}

/// Asks for a rule with a priority of its own: RTM_NEWRULE in rtnetlink(7), with FRA_PRIORITY and a table.
fn add_rule() -> Result<()> {
    use nix::sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
    };
    use std::os::fd::AsRawFd;
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::empty(),
        SockProtocol::NetlinkRoute,
    )?;
    let mut message = Vec::new();
    message.extend(36_u32.to_ne_bytes());
    message.extend(32_u16.to_ne_bytes());
    message.extend(0x601_u16.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([2, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0]);
    message.extend(8_u16.to_ne_bytes());
    message.extend(6_u16.to_ne_bytes());
    message[..4].copy_from_slice(&36_u32.to_ne_bytes());
    message.extend(4711_u32.to_ne_bytes());
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    Ok(())
}
