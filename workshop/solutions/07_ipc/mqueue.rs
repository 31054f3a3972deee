// The list of a container's queues.
//
// POSIX message queues have names such as /letters, which are no paths. A file system of the type mqueue shows
// them as files: those of the IPC namespace in which it was mounted, whoever looks at it. So a list that was there
// before unshare(2) stays the host's.
//
// Read: book/src/07-ipc.md#shell, mq_overview(7), ipc_namespaces(7).

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Gives this process IPC and mounts of its own, and a queue /inside, which is seen as a file in `directory`.
fn container(directory: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some("mqueue"), directory, Some("mqueue"), MsFlags::empty(), NONE)?;
    make_queue("/inside")
}

/// Makes a queue: mq_open(3).
fn make_queue(name: &str) -> Result<()> {
    let (flags, mode) = (MQ_OFlag::O_CREAT | MQ_OFlag::O_RDONLY, Mode::S_IRUSR | Mode::S_IWUSR);
    // One message of at most one byte.
    mq_open(name, flags, mode, Some(&MqAttr::new(0, 1, 1, 0)))?;
    Ok(())
}

// Why it works: mount(2) makes a file system of type mqueue for the IPC namespace of its caller, and that is the
// new one by now. A mount namespace alone copies mounts, and a copy of the host's list shows what the host's list
// shows. The queue is there without any list, since mq_open(3) takes no path. The right to mount comes from the
// user namespace that the IPC namespace belongs to.

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use grader::exercise;
    use nix::mount::{MsFlags, mount};
    use nix::mqueue::{MQ_OFlag, mq_open};
    use nix::sys::stat::Mode;

    use super::*;

    const NONE: Option<&str> = None;

    const READ: &str = "book/src/07-ipc.md#shell and mq_overview(7)";

    /// Where the host has its list.
    const HOST: &str = "/tmp/host";

    /// Where the containers are to have their own.
    const DIRECTORIES: [&str; 2] = ["/tmp/container", "/tmp/elsewhere"];

    /// Gives the host a queue, and its list.
    fn make_host() {
        for directory in DIRECTORIES {
            fs::create_dir(directory).unwrap();
        }
        fs::create_dir(HOST).unwrap();
        mount(Some("host"), HOST, Some("mqueue"), MsFlags::empty(), NONE).unwrap();
        make_queue("/letters").unwrap();
    }

    /// Returns the names in a list.
    fn list(directory: &str) -> String {
        let entries = fs::read_dir(directory).unwrap().flatten();
        let names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.join(" ")
    }

    #[test]
    fn the_container_sees_its_own_queue_and_no_other() {
        exercise::as_root(READ, |host| {
            host.may_change(&["ipc", "mnt"]);
            // The queue that is made.
            host.may_leave(&["+ own descriptor"]);
            make_host();
            for directory in DIRECTORIES {
                host.may_mount_inside(&[&format!("{directory}, rw, mqueue")]);
                let container = host.start(|| container(Path::new(directory)));
                let listed = host.inside(&container, || list(directory));
                host.shows(&format!("what the container has listed in {directory}"), listed)
                    .should_be("inside");
            }
        });
    }

    #[test]
    fn what_is_made_in_the_list_is_a_queue_of_the_container() {
        exercise::as_root(READ, |host| {
            host.may_change(&["ipc", "mnt"]);
            // The queue that is made.
            host.may_leave(&["+ own descriptor"]);
            make_host();
            host.may_mount_inside(&["/tmp/container, rw, mqueue"]);
            let container = host.start(|| container(Path::new(DIRECTORIES[0])));
            let found = host.inside(&container, || {
                fs::write(format!("{}/made", DIRECTORIES[0]), "").unwrap();
                let opened = mq_open("/made", MQ_OFlag::O_RDONLY, Mode::empty(), None);
                opened.map_or_else(|errno| errno.to_string(), |_| "there".into())
            });
            host.shows("mq_open(3), of /made in the container", found).should_be("there");
        });
    }

    #[test]
    fn the_host_sees_its_own_queue_and_no_other() {
        exercise::as_root(READ, |host| {
            host.may_change(&["ipc", "mnt"]);
            // The queue that is made.
            host.may_leave(&["+ own descriptor"]);
            make_host();
            host.may_mount_inside(&["/tmp/container, rw, mqueue"]);
            let container = host.start(|| container(Path::new(DIRECTORIES[0])));
            host.shows("the IPC namespace of the container", container.namespace("ipc"))
                .should_not_be(host.namespace("ipc"));
            host.shows("what the host has listed in /tmp/host", list(HOST)).should_be("letters");
        });
    }
}
