// Quiz: an ordinary user's network (stages 02, 05 and 06).
//
// Without a single right an ordinary user can be root of a host with a name and a network. `container` tries to, and
// the first line is refused. What is missing was in the exercises before, except that nobody else writes the maps: a
// process may write its own, while its user has no number and no name any more.
//
// Read: book/src/05-user.md#maps, user_namespaces(7), "Defining user and group ID mappings".

use std::ffi::c_char;
use std::fs;
use std::mem;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid, sethostname};

/// Makes this process root of a host of its own, with the hostname `name` and a loopback that is up.
fn container(name: &str) -> Result<()> {
    // TODO: one more kind of namespace, before all others. What is to be asked before that, and what comes after it?
    loopback_up()?;
    sethostname(name)?;
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNET)?;
    write_own("setgroups", "deny")?;
    write_own("uid_map", &format!("0 {} 1", getuid()))?;
    write_own("gid_map", &format!("0 {} 1", getgid()))?;
    Ok(())
}

/// Writes `text` to a file of this process in /proc.
fn write_own(file: &str, text: &str) -> Result<()> {
    fs::write(format!("/proc/self/{file}"), text)
        .with_context(|| format!("write {text:?} to {file}"))
}

/// Takes the loopback of the network namespace up in which this process is.
fn loopback_up() -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: zero is a value that all of its fields can have.
    let mut argument: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in argument.ifr_name.iter_mut().zip(*b"lo") {
        *to = from as c_char;
    }
    argument.ifr_ifru.ifru_flags = libc::IFF_UP as _;
    let request = libc::SIOCSIFFLAGS as _;
    // SAFETY: the request takes a pointer to this structure.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), request, &mut argument) })
        .context("take the loopback up")?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::os::fd::{FromRawFd, OwnedFd};

    use grader::exercise::{self, Container, Host, target};
    use grader::{hostname, network};
    use nix::unistd;

    use super::*;

    const READ: &str = "book/src/05-user.md#maps and user_namespaces(7)";

    fn start(host: &Host, name: &str) -> Container<()> {
        host.may_change(&["user", "uts", "net"]);
        host.start(|| container(name))
    }

    /// The line of a map, without the blanks that the kernel puts in.
    fn map(container: &Container<()>, file: &str) -> String {
        container.read(file).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn root_of_the_container_is_you() {
        exercise::as_user(READ, |host| {
            let container = start(host, "nshost");
            host.shows("the map of the container's users", map(&container, "uid_map"))
                .should_be(format!("0 {} 1", unistd::getuid()));
            host.shows("the map of the container's groups", map(&container, "gid_map"))
                .should_be(format!("0 {} 1", unistd::getgid()));
            let who = host.inside(&container, || unistd::getuid().as_raw());
            host.shows("the user inside", who).should_be(0);
        });
    }

    #[test]
    fn it_has_its_name() {
        exercise::as_user(READ, |host| {
            let before = hostname();
            // The kernel takes up to 64 bytes.
            let longest = "x".repeat(64);
            for name in ["nshost", "kitchen", &longest] {
                let container = start(host, name);
                host.shows("the name of the container", host.inside(&container, hostname))
                    .should_be(name);
                host.shows("the name of the host", hostname()).should_be(&before);
            }
        });
    }

    #[test]
    fn its_loopback_is_up() {
        exercise::as_user(READ, |host| {
            let container = start(host, "nshost");
            host.shows("the network namespace of the container", container.namespace("net"))
                .should_not_be(host.namespace("net"));
            let flags = host.inside(&container, || network::flags("lo"));
            host.shows("the flags of the container's loopback", &flags).should_have("UP");
            host.shows("the flags of the container's loopback", flags).should_not_have("PROMISC");
        });
    }

    #[test]
    fn all_of_it_belongs_to_its_user_namespace() {
        exercise::as_user(READ, |host| {
            let container = start(host, "nshost");
            for kind in ["uts", "net"] {
                host.shows(
                    &format!("the owner of the container's {kind} namespace"),
                    owner(&container, kind),
                )
                .should_be_that("the container's", container.namespace("user"));
            }
        });
    }

    fn owner(container: &Container<()>, kind: &str) -> String {
        let namespace = container.open(&format!("ns/{kind}"));
        // SAFETY: the request takes no pointer.
        let owner = unsafe { libc::ioctl(namespace.as_raw_fd(), libc::NS_GET_USERNS) };
        // SAFETY: the kernel has just made this descriptor for us.
        target(unsafe { OwnedFd::from_raw_fd(Errno::result(owner).unwrap()) })
    }
}
