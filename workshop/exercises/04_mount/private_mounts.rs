// A mount that nobody else sees.
//
// A new mount namespace starts with a copy of all mounts. Where they are shared, as systemd makes them, a copy
// belongs to the peer group of its original: what is mounted on one of them shows up on the others, in both
// directions. So unshare(2) alone keeps no mount from the host.
//
// Read: book/src/04-mount.md#shell, mount_namespaces(7), mount(2).

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Gives this process mounts of its own, with a tmpfs on `directory`. From here on neither it nor the host sees
/// what the other mounts.
fn container(directory: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // TODO: leave the peer groups. There is more than one mount.
    mount(Some("temp"), directory, Some("tmpfs"), MsFlags::empty(), NONE)?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use grader::exercise;
    use nix::mount::{MsFlags, mount};

    use super::*;

    const NONE: Option<&str> = None;

    const READ: &str = "book/src/04-mount.md#shell and mount_namespaces(7)";

    /// On mounts that are not the root directory's.
    const DIRECTORIES: [&str; 2] = ["/tmp", "/tmp/below"];

    #[test]
    fn the_container_sees_its_mount_and_the_host_does_not() {
        exercise::as_root(READ, |host| {
            host.may_change(&["mnt"]);
            for directory in DIRECTORIES {
                fs::create_dir_all(directory).unwrap();
                let mounted = format!("temp {directory} tmpfs");
                host.may_mount_inside(&[&format!("{directory}, rw")]);
                let container = host.start(|| container(Path::new(directory)));
                host.shows("what the container has mounted", container.read("mounts"))
                    .should_have(&mounted);
                host.shows("what the host has mounted", host.read("mounts"))
                    .should_not_have(&mounted);
            }
        });
    }

    #[test]
    fn the_container_does_not_see_what_the_host_mounts_later() {
        exercise::as_root(READ, |host| {
            host.may_change(&["mnt"]);
            host.may_mount_inside(&["/tmp, rw"]);
            let container = host.start(|| container(Path::new(DIRECTORIES[0])));
            mount(Some("later"), "/tmp", Some("tmpfs"), MsFlags::empty(), NONE).unwrap();
            host.shows("what the container has mounted", container.read("mounts"))
                .should_not_have("later /tmp tmpfs");
        });
    }

    #[test]
    fn no_mount_of_the_container_is_in_a_peer_group() {
        exercise::as_root(READ, |host| {
            host.may_change(&["mnt"]);
            host.may_mount_inside(&["/tmp, rw"]);
            let container = host.start(|| container(Path::new(DIRECTORIES[0])));
            let mounts = container.read("mountinfo");
            let mut groups = mounts
                .lines()
                .filter(|line| line.contains(" shared:") || line.contains(" master:"));
            host.shows("a mount of the container in a peer group", groups.next().unwrap_or("none"))
                .should_be("none");
        });
    }
}
