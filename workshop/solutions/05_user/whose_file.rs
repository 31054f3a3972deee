// Whose file is it?
//
// Root of a container makes a file. A file system stores one number for its owner, and it is not 0. Whoever asks for
// it gets it in the numbers of their own user namespace; so to see what the container sees, ask where the container
// is. To read the file in /proc/PID/root is to ask from here.
//
// Read: book/src/05-user.md#run, setns(2), user_namespaces(7), "User and group ID mappings".

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

/// Returns the owner of `file`: as this process sees it, and as `container` does.
fn owners(file: &Path, container: Pid) -> Result<(u32, u32)> {
    let outside = fs::metadata(file)?.uid();
    let namespace = fs::File::open(format!("/proc/{container}/ns/user"))?;
    setns(namespace, CloneFlags::CLONE_NEWUSER)?;
    let inside = fs::metadata(file)?.uid();
    Ok((outside, inside))
}

fn main() {}

// Why it works: setns(2) moves this process into the container's user namespace. The file stays as it is; stat(2)
// translates the number that is stored, for the one who asks, with the map of their namespace. Where the map has no
// number, the answer is 65534. It is not one user, but all who have no number there. Outside the owner is you: that
// is why you can delete what your containers have left.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use anyhow::Result;
    use grader::{IdMap, exercise, write_id_maps};
    use nix::sched::{CloneFlags, unshare};
    use nix::unistd::{Pid, getgid, getuid};

    use super::*;

    const READ: &str = "book/src/05-user.md#run and user_namespaces(7)";

    const FILE: &str = "/tmp/letter";

    /// Enters a user namespace, in which this user is `id`, and writes the file.
    fn write_as(id: u32) -> Result<()> {
        // The group has another number.
        let maps = [(id, getuid().as_raw()), (id + 1, getgid().as_raw())];
        unshare(CloneFlags::CLONE_NEWUSER)?;
        let [users, groups] =
            maps.map(|(container_id, host_id)| [IdMap { container_id, host_id, size: 1 }]);
        write_id_maps(Pid::this(), &users, &groups)?;
        Ok(fs::write(FILE, "Yours, root")?)
    }

    #[test]
    fn what_root_inside_has_written_is_yours_outside() {
        exercise::as_user(READ, |host| {
            host.may_change(&["user"]);
            let container = host.play(|| write_as(0));
            let (outside, inside) = host.run(|| owners(Path::new(FILE), container.pid()));
            host.shows("the owner, seen from outside", outside).should_be(getuid());
            host.shows("the owner, seen from inside", inside).should_be(0);
        });
    }

    #[test]
    fn another_container_has_another_number() {
        exercise::as_user(READ, |host| {
            host.may_change(&["user"]);
            let container = host.play(|| write_as(7));
            let (outside, inside) = host.run(|| owners(Path::new(FILE), container.pid()));
            host.shows("the owner, seen from outside", outside).should_be(getuid());
            host.shows("the owner, seen by user 7", inside).should_be(7);
        });
    }

    #[test]
    fn what_is_not_in_the_map_is_nobodys() {
        exercise::as_root(READ, |host| {
            host.may_change(&["user"]);
            fs::write(FILE, "Yours, the host").unwrap();
            let container = host.play(|| Ok(unshare(CloneFlags::CLONE_NEWUSER)?));
            let (outside, inside) = host.run(|| owners(Path::new(FILE), container.pid()));
            host.shows("the owner, seen from outside", outside).should_be(0);
            host.shows("the owner, seen without a map", inside).should_be(65534);
        });
    }

    #[test]
    fn the_machines_files_are_nobodys_on_this_host() {
        exercise::as_user(READ, |host| {
            host.may_change(&["user"]);
            let container = host.play(|| write_as(7));
            // It belongs to the machine's root, who has no number here.
            let file = Path::new("/etc/passwd");
            let (outside, inside) = host.run(|| owners(file, container.pid()));
            host.shows("the owner of /etc/passwd, seen from outside", outside).should_be(65534);
            host.shows("the owner of /etc/passwd, seen by user 7", inside).should_be(65534);
        });
    }
}
