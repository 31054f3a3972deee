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
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    // TODO: the flags that it has, and one more, of the container's loopback.
    device_flags(&socket, libc::SIOCGIFFLAGS, "lo", 0)?;
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
