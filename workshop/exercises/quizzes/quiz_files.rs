// Quiz: a process, its name and its files (stages 02 to 04).
//
// `container` is process 1 of a new PID namespace already. It is to have a hostname and mounts of its own, of which
// there are two: `root`, and in its empty directory `proc` a file system that shows the container's processes. The
// host keeps its name and its mounts.
//
// What is here renames the host, and can be escaped. All that is missing was in an exercise before. One thing is new:
// in a user namespace, a new proc may be mounted as long as another one can be seen, and no longer.
//
// Read: book/src/04-mount.md#diff (with its code in target/book/04-mount.html#diff, which `cargo book` makes),
// mount_namespaces(7), pivot_root(2).

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, chroot, sethostname};

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Gives this process the hostname `name`, and `root` with its proc for all that it sees.
fn container(name: &str, root: &Path) -> Result<()> {
    // TODO: the namespaces, in which nobody else sees what happens; the name, the proc, and the root.
    unshare(CloneFlags::CLONE_NEWNS)?;
    sethostname(name)?;
    mount(Some("proc"), &root.join("proc"), Some("proc"), MsFlags::empty(), NONE)?;
    chroot(root)?;
    chdir("/")?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use grader::exercise::{self, Container, Host};
    use grader::{hostname, probe};

    use super::*;

    const READ: &str = "book/src/04-mount.md#diff and mount_namespaces(7)";

    /// The longest name that the kernel takes: 64 bytes.
    const LONGEST: &str = "big-kitchen-of-a-house-whose-name-is-as-long-as-the-kernel-takes";

    /// There is more than one container.
    const ROOTS: [(&str, &str); 2] = [("nshost", "/tmp/root"), (LONGEST, "/tmp/other/root")];

    /// Starts a container whose root directory has one file in it.
    fn start(host: &Host, name: &str, root: &str) -> Container<()> {
        host.may_change(&["uts", "mnt"]);
        host.may_mount_inside(&["/, rw", "/proc, rw, proc"]);
        host.may_leave(&["- mounted inside:", "own root", "own cwd"]);
        fs::create_dir_all(Path::new(root).join("proc")).unwrap();
        fs::write(Path::new(root).join(name), "").unwrap();
        host.start_as_init(|| container(name, Path::new(root)))
    }

    #[test]
    fn the_container_has_its_name_and_the_host_keeps_its_own() {
        exercise::as_root(READ, |host| {
            let before = hostname();
            for (name, root) in ROOTS {
                let container = start(host, name, root);
                host.shows("the name of the host", hostname()).should_be(&before);
                host.shows("the name of the container", host.inside(&container, hostname))
                    .should_be(name);
            }
        });
    }

    #[test]
    fn the_container_has_two_mounts_and_the_host_has_none_of_them() {
        exercise::as_root(READ, |host| {
            for (name, root) in ROOTS {
                let container = start(host, name, root);
                host.shows("what the host has mounted", host.read("mounts")).should_not_have(root);
                let mounts = container.read("mounts");
                let places = mounts.lines().flat_map(|line| line.split(' ').nth(1));
                host.shows(
                    "the places where something is mounted in the container",
                    places.collect::<Vec<_>>().join("\n"),
                )
                .should_be("/\n/proc");
                let kinds = mounts.lines().flat_map(|line| line.split(' ').nth(2));
                host.shows("the file system on its /proc", kinds.last().unwrap_or("none"))
                    .should_be("proc");
            }
        });
    }

    #[test]
    fn its_mounts_are_in_no_peer_group() {
        exercise::as_root(READ, |host| {
            let container = start(host, ROOTS[0].0, ROOTS[0].1);
            let mounts = container.read("mountinfo");
            let mut groups = mounts
                .lines()
                .filter(|line| line.contains(" shared:") || line.contains(" master:"));
            host.shows("a mount of the container in a peer group", groups.next().unwrap_or("none"))
                .should_be("none");
        });
    }

    fn list(directory: &str) -> String {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names.join(" ")
    }

    #[test]
    fn it_sees_itself_and_the_files_of_its_root() {
        exercise::as_root(READ, |host| {
            for (name, root) in ROOTS {
                let container = start(host, name, root);
                let inode = |directory: &str| fs::metadata(directory).unwrap().ino();
                let own = format!("/proc/{}/root", container.pid());
                host.shows("the number of the container's root directory", inode(&own))
                    .should_be(inode(root));
                // Whoever enters a mount namespace is in its root, wherever its processes have theirs.
                let (files, processes) = host.inside(&container, || {
                    let numbers = probe::processes().into_iter().map(|pid| pid.to_string());
                    (list("/"), numbers.collect::<Vec<_>>().join(" "))
                });
                host.shows("the files in the root of the container's mount namespace", files)
                    .should_be(format!("{name} proc"));
                let below = host.inside(&container, probe::below_the_root);
                host.shows("what is below the root of the container's mount namespace", below)
                    .should_be("nothing");
                host.shows("the processes in the container's /proc", processes).should_be("1");
            }
        });
    }
}
