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
    // TODO: the host keeps its name.
    sethostname(name)?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use grader::{exercise, hostname};

    use super::*;

    const READ: &str = "book/src/02-uts-hostname.md#failure and uts_namespaces(7)";

    #[test]
    fn the_host_keeps_its_name() {
        exercise::as_root(READ, |host| {
            let before = hostname();
            host.start(|| container("nshost"));
            host.shows("the name of the host", hostname()).should_be(before);
        });
    }

    #[test]
    fn the_container_has_its_name() {
        exercise::as_root(READ, |host| {
            let container = host.start(|| container("nshost"));
            host.shows("the UTS namespace of the container", container.namespace("uts"))
                .should_not_be(host.namespace("uts"));
            host.shows("the name of the container", host.inside(&container, hostname))
                .should_be("nshost");
        });
    }
}
