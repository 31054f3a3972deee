// Who is root of a namespace?
//
// Each namespace belongs to a user namespace: root in that one may change what the namespace holds. No file in
// /proc says which one it is. An ioctl(2) on the namespace's own file does: it returns a new descriptor, of the
// user namespace that owns it.
//
// Read: book/src/01-uts.md#run, ioctl_ns(2).

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;

/// Returns the user namespace that owns `namespace`, a file such as /proc/PID/ns/uts.
fn owner(namespace: &File) -> Result<OwnedFd> {
    // TODO: another request.
    let request = libc::NS_GET_PARENT;
    // SAFETY: these requests take no pointer.
    let descriptor = Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), request) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use grader::exercise::{self, target};
    use grader::{IdMap, write_id_maps};
    use nix::sched::{CloneFlags, unshare};
    use nix::unistd::{getgid, getpid, getuid};

    use super::*;

    const READ: &str = "book/src/01-uts.md#run and ioctl_ns(2)";

    #[test]
    fn a_container_of_its_own_root_owns_its_namespace() {
        exercise::as_user(READ, |host| {
            let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS;
            let container = host.play(|| Ok(unshare(flags)?));
            let file = container.open("ns/uts");
            let owner = host.run(|| Ok(target(&owner(&file)?)));
            host.shows("the owner of the container's UTS namespace", owner)
                .should_be_that("the container's", container.namespace("user"));
        });
    }

    #[test]
    fn the_owner_stays_the_owner_when_the_process_moves_on() {
        exercise::as_user(READ, |host| {
            let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET;
            let container = host.play(|| {
                let (users, groups) = (IdMap::one(0, getuid()), IdMap::one(0, getgid()));
                unshare(flags)?;
                write_id_maps(getpid(), &[users], &[groups])?;
                let first = target(&File::open("/proc/self/ns/user")?);
                unshare(CloneFlags::CLONE_NEWUSER)?;
                Ok(first)
            });
            let file = container.open("ns/net");
            let owner = host.run(|| Ok(target(&owner(&file)?)));
            host.shows("the owner of a namespace whose process is in another one by now", owner)
                .should_be_that("the one that it was made in", &container.value);
        });
    }

    #[test]
    fn the_host_owns_what_its_root_has_made() {
        exercise::as_root(READ, |host| {
            let container = host.play(|| Ok(unshare(CloneFlags::CLONE_NEWUTS)?));
            let file = container.open("ns/uts");
            let owner = host.run(|| Ok(target(&owner(&file)?)));
            host.shows("the owner of a namespace without a user namespace of its own", owner)
                .should_be(host.namespace("user"));
        });
    }
}
