// The other name.
//
// A UTS namespace holds two names: the hostname, and the NIS domain name. NIS told the machines of a network who
// their users are, and its domains are not those of DNS. Hardly anybody uses it now; each container has such a name
// all the same.
//
// The crate nix has no function for it. libc has the C library's own: it takes a pointer and a length, is unsafe to
// call, and returns -1 for an error. `Errno::result` makes a Result of that number.
//
// Read: book/src/01-uts.md#shell, uts_namespaces(7), setdomainname(2).

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

/// Gives this process the NIS domain name `name`. It keeps the hostname, and the host keeps both of its names.
fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    // SAFETY: the kernel reads as many bytes as `name` has.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}

fn main() {}

// Why it works: both names are in the same structure of the kernel, of which each UTS namespace has one. So
// unshare(2) copies both, and each call changes one of them in the caller's copy. The call gets a length, so the
// name needs no zero byte at its end. A number that is an error is easy to pass over, and Rust says nothing: it is
// `Errno::result` that makes something of it that has to be looked at.

#[cfg(test)]
mod tests {
    use grader::{Call, exercise, hostname, probe};
    use nix::libc;
    use nix::sys::utsname::uname;

    use super::*;

    const READ: &str = "book/src/01-uts.md#shell and setdomainname(2)";

    fn domain_name() -> String {
        uname().unwrap().domainname().to_string_lossy().into_owned()
    }

    #[test]
    fn the_container_has_its_domain_name() {
        exercise::as_root(READ, |host| {
            host.may_change(&["uts"]);
            host.may_leave(&["+ domain name"]);
            // The kernel takes up to 64 bytes.
            let longest = "x".repeat(64);
            for name in ["cellar", "the-room-below-the-kitchen", "c", &longest] {
                let container = host.start(|| container(name));
                host.shows("the container's NIS domain name", host.inside(&container, domain_name))
                    .should_be(name);
            }
        });
    }

    #[test]
    fn the_host_keeps_its_domain_name() {
        exercise::as_root(READ, |host| {
            host.may_change(&["uts"]);
            host.may_leave(&["+ domain name"]);
            let before = domain_name();
            // Before the call is made, and not only afterwards, when a name can have been put back.
            let mut namespaces = String::new();
            let look = |call: &Call| {
                namespaces += &probe::namespace(call.process, "uts").display().to_string();
            };
            host.watch(&[libc::SYS_setdomainname], look, || container("cellar"));
            host.shows("the host's NIS domain name", domain_name()).should_be(before);
            host.shows("the UTS namespaces in which a name has been set", namespaces)
                .should_not_have(host.namespace("uts"));
        });
    }

    #[test]
    fn the_hostname_is_the_same_on_both_sides() {
        exercise::as_root(READ, |host| {
            host.may_change(&["uts"]);
            host.may_leave(&["+ domain name"]);
            let before = hostname();
            let container = host.start(|| container("cellar"));
            host.shows("the container's hostname", host.inside(&container, hostname))
                .should_be(&before);
            host.shows("the host's hostname", hostname()).should_be(before);
        });
    }

    #[test]
    fn a_name_of_65_bytes_is_an_error() {
        exercise::as_root(READ, |host| {
            host.may_change(&["uts"]);
            host.may_leave(&["+ domain name"]);
            if host.run(|| Ok(container(&"x".repeat(65)).is_ok())) {
                host.fail("The kernel takes no name of 65 bytes, and your function says that all is well.");
            }
        });
    }
}
