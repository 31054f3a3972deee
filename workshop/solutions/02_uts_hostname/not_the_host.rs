// The line that renamed the host.
//
// `container` is to give this process a hostname of its own. It renames the whole machine instead, as many
// "containers from scratch" do: sethostname(2) acts on the UTS namespace that the caller is in at that moment.
//
// Read: book/src/02-uts-hostname.md#failure, uts_namespaces(7), unshare(2).

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

/// Gives this process the hostname `name`, and leaves the host's as it is.
fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}

fn main() {}

// Why it works: unshare(2) moves the caller to a new UTS namespace, with a copy of the old one's names. Whatever
// is set after that is set there. The stages do the same with clone(2): ns_init, which sets the name, is already in
// the new namespace when it begins, and ns_start, which is not, sets none.

#[cfg(test)]
mod tests {
    use grader::{Call, exercise, hostname, probe};
    use nix::libc;

    use super::*;

    const READ: &str = "book/src/02-uts-hostname.md#failure and uts_namespaces(7)";

    #[test]
    fn the_host_keeps_its_name() {
        exercise::as_root(READ, |host| {
            host.may_change(&["uts"]);
            let before = hostname();
            // Before the call is made, and not only afterwards, when a name can have been put back.
            let mut namespaces = String::new();
            let look = |call: &Call| {
                namespaces += &probe::namespace(call.process, "uts").display().to_string();
            };
            host.watch(&[libc::SYS_sethostname], look, || container("nshost"));
            host.shows("the name of the host", hostname()).should_be(before);
            host.shows("the UTS namespaces in which a name has been set", namespaces)
                .should_not_have(host.namespace("uts"));
        });
    }

    #[test]
    fn the_container_has_its_name() {
        exercise::as_root(READ, |host| {
            host.may_change(&["uts"]);
            // The kernel takes up to 64 bytes.
            let longest = "x".repeat(64);
            for name in ["nshost", "kitchen", &longest] {
                let container = host.start(|| container(name));
                host.shows("the UTS namespace of the container", container.namespace("uts"))
                    .should_not_be(host.namespace("uts"));
                host.shows("the name of the container", host.inside(&container, hostname))
                    .should_be(name);
            }
        });
    }
}
