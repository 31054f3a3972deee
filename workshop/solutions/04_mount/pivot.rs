// Another root, and nothing of the old one.
//
// chroot(2) changes what "/" means to a process. The mounts of the host are all there, and so is a way back.
// pivot_root(2) exchanges the root of the mount namespace itself, and then the old one can be unmounted, with all
// that is below it.
//
// Read: book/src/04-mount.md#diff (with its code in target/book/04-mount.html#diff, which `cargo book` makes),
// pivot_root(2), umount(2).

use std::path::Path;

use anyhow::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, pivot_root};

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Gives this process mounts of its own, of which `root` is the only one.
fn container(root: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some(root), root, NONE, MsFlags::MS_BIND, NONE)?;
    chdir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    Ok(())
}

fn main() {}

// Why it works: pivot_root(2) wants a mount, and the bind mount makes one of a directory. chdir comes after it,
// since who is in the directory already is below the mount. With "." for both arguments the old root ends up on top
// of the new one, at the same place, and the next "." means what is on top there. The host's other mounts are below
// the old root, so it is in use, and only MNT_DETACH takes it away, with all of them. All of that happens in a copy
// of the host's mounts; the host has its own.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use grader::exercise::{self, Container, Host};
    use grader::probe;
    use nix::mount::{MsFlags, mount};

    use super::*;

    const READ: &str = "book/src/04-mount.md#diff and pivot_root(2)";

    const NONE: Option<&str> = None;

    /// Two of them, since there is more than one container.
    const ROOTS: [&str; 2] = ["/tmp/root", "/tmp/other/root"];

    /// The files in them.
    const FILES: [&str; 2] = ["here", "there"];

    /// Starts a container whose root directory has one file in it.
    fn start(host: &Host, root: &str, file: &str) -> Container<()> {
        host.may_change(&["mnt"]);
        host.may_mount_inside(&["/, rw"]);
        host.may_leave(&["- mounted inside:", "own root", "own cwd"]);
        fs::create_dir_all(root).unwrap();
        fs::write(Path::new(root).join(file), "").unwrap();
        let before = list("/");
        let container = host.start(|| container(Path::new(root)));
        host.shows("the files in the host's root directory", list("/")).should_be(before);
        container
    }

    fn list(directory: impl AsRef<Path>) -> String {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap() + " ").collect()
    }

    fn inode(directory: impl AsRef<Path>) -> u64 {
        fs::metadata(directory).unwrap().ino()
    }

    fn places(mounts: &str) -> String {
        mounts.lines().flat_map(|line| line.split(' ').nth(1)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_process_is_in_its_root() {
        exercise::as_root(READ, |host| {
            for (root, file) in ROOTS.into_iter().zip(FILES) {
                let container = start(host, root, file);
                let proc = Path::new("/proc").join(container.pid().to_string());
                host.shows("the files in the container's root directory", list(proc.join("root")))
                    .should_have(file);
                host.shows("the files in its working directory", list(proc.join("cwd")))
                    .should_have(file);
                host.shows("the number of its root directory", inode(proc.join("root")))
                    .should_be(inode(root));
            }
        });
    }

    #[test]
    fn the_mount_namespace_has_no_other_root() {
        exercise::as_root(READ, |host| {
            let container = start(host, ROOTS[0], FILES[0]);
            // setns(2) goes to the root of the namespace, wherever its processes have theirs.
            let files = host.inside(&container, || list("/"));
            host.shows("the files in the root of the container's mount namespace", files)
                .should_have("here");
            let below = host.inside(&container, probe::below_the_root);
            host.shows("what is below the root of the container's mount namespace", below)
                .should_be("nothing");
            let places = places(&container.read("mounts"));
            host.shows("the places where something is mounted in the container", places)
                .should_be("/");
        });
    }

    #[test]
    fn what_the_host_mounts_later_is_not_there_inside() {
        exercise::as_root(READ, |host| {
            let later = Path::new(ROOTS[0]).join("later");
            fs::create_dir_all(&later).unwrap();
            let container = start(host, ROOTS[0], FILES[0]);
            mount(Some("later"), &later, Some("tmpfs"), MsFlags::empty(), NONE).unwrap();
            let places = places(&container.read("mounts"));
            host.shows("the places where something is mounted in the container", places)
                .should_be("/");
        });
    }

    #[test]
    fn the_host_keeps_its_mounts() {
        exercise::as_root(READ, |host| {
            start(host, ROOTS[0], FILES[0]);
            let places = places(&host.read("mounts"));
            host.shows("the places where something is mounted on the host", places)
                .should_not_have(ROOTS[0]);
        });
    }
}
