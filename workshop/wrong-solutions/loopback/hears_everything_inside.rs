// refused with: the flags of the container's loopback
// refused with: nothing with PROMISC

use std::ffi::{c_char, c_short, c_ulong};
use std::mem;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

/// Gives this process a network of its own, in which 127.0.0.1 can be reached.
fn container() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let flags = device_flags(&socket, libc::SIOCGIFFLAGS, "lo", 0)?;
    device_flags(
        &socket,
        libc::SIOCSIFFLAGS,
        "lo",
        flags | (libc::IFF_UP | libc::IFF_PROMISC | libc::IFF_NOARP) as c_short,
    )?;
    Ok(())
}

/// Makes a request, SIOCGIFFLAGS or SIOCSIFFLAGS: reads or sets the flags of a device, and returns them.
fn device_flags(
    socket: &UdpSocket,
    request: c_ulong,
    device: &str,
    flags: c_short,
) -> Result<c_short> {
    // SAFETY: zero is a value that all of its fields can have.
    let mut argument: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in argument.ifr_name.iter_mut().zip(device.bytes()) {
        *to = from as c_char;
    }
    argument.ifr_ifru.ifru_flags = flags;
    // SAFETY: both requests take a pointer to this structure.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), request as _, &mut argument) })?;
    // SAFETY: and with both of them this is the field of the union that is meant.
    Ok(unsafe { argument.ifr_ifru.ifru_flags })
}
