// The device that everybody forgets.
//
// A new network namespace has one device, the loopback, and it is down: 127.0.0.1 can't be reached, and much that
// talks to itself fails. Flags of a device are read and set by ioctl(2) on any socket. A socket belongs to the
// network namespace in which it was opened, wherever its process is later.
//
// Read: book/src/06-network.md#failure, netdevice(7), network_namespaces(7).

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
    device_flags(&socket, libc::SIOCSIFFLAGS, "lo", flags | libc::IFF_UP as c_short)?;
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

fn main() {}

// Why it works: ioctl(2) acts on the namespace of the socket, so that the socket has to come after unshare(2). A
// device has one word of flags, which SIOCSIFFLAGS sets as a whole; therefore it is read before, and IFF_UP added.
// The address 127.0.0.1 and its route come along: the kernel gives them to each loopback that is set up. Stage 06
// does the same over netlink, where a mask says which of the flags are meant, and nothing has to be read.

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use grader::{exercise, network};

    use super::*;

    const READ: &str = "book/src/06-network.md#failure and netdevice(7)";

    #[test]
    fn the_loopback_of_the_container_is_up() {
        exercise::as_root(READ, |host| {
            host.may_change(&["net"]);
            let container = host.start(container);
            host.shows("the network namespace of the container", container.namespace("net"))
                .should_not_be(host.namespace("net"));
            let flags = host.inside(&container, || network::flags("lo"));
            host.shows("the flags of the container's loopback", &flags).should_have("UP");
            for other in ["PROMISC", "NOARP"] {
                host.shows("the flags of the container's loopback", &flags).should_not_have(other);
            }
        });
    }

    #[test]
    fn the_container_reaches_itself() {
        exercise::as_root(READ, |host| {
            host.may_change(&["net"]);
            let container = host.start(container);
            let outcome = host.inside(&container, || network::call(Ipv4Addr::LOCALHOST));
            host.shows("a connection to 127.0.0.1", outcome).should_be("an answer");
        });
    }

    #[test]
    fn the_loopback_of_the_host_stays_as_it_is() {
        exercise::as_root(READ, |host| {
            host.may_change(&["net"]);
            let before = network::flags("lo");
            host.start(container);
            host.shows("the flags of the host's loopback", network::flags("lo")).should_be(before);
        });
    }
}
