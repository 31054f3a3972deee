// refused with: the flags of the container's loopback

use std::ffi::{c_char, c_short, c_ulong};
use std::mem;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

fn container() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let flags = device_flags(&socket, libc::SIOCGIFFLAGS, "lo", 0)?;
    device_flags(&socket, libc::SIOCSIFFLAGS, "lo", flags | libc::IFF_RUNNING as c_short)?;
    Ok(())
}

fn device_flags(
    socket: &UdpSocket,
    request: c_ulong,
    device: &str,
    flags: c_short,
) -> Result<c_short> {
    let mut argument: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in argument.ifr_name.iter_mut().zip(device.bytes()) {
        *to = from as c_char;
    }
    argument.ifr_ifru.ifru_flags = flags;
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), request as _, &mut argument) })?;
    Ok(unsafe { argument.ifr_ifru.ifru_flags })
}
