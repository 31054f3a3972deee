// A directory that stays.
//
// What a container writes goes with the container. A volume is a directory of the host that is bound into the
// container's root directory, and so outlives it: `docker run --volume SOURCE:PLACE`, or with `:ro` at the end, for
// whom the container may read and not write.
//
// A bind mount takes no flags but MS_REC. The kernel says nothing to others, and does nothing about them: the container
// can write to all of its volumes.
//
// Read: book/src/every-day.md#volume, mount(2), "Remounting an existing mount".

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Shows the directory `source` of the host at `place`, which is made, and which the container can write to or not.
fn add_volume(source: &Path, place: &Path, read_only: bool) -> Result<()> {
    fs::create_dir_all(place)?;
    // TODO: for a bind mount the flag has to be set later.
    let flag = if read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
    mount(Some(source), place, NONE, MsFlags::MS_BIND | flag, NONE)?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use grader::exercise::{self, Container, Host};
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    const NONE: Option<&str> = None;

    const READ: &str =
        "book/src/every-day.md#volume and mount(2), \"Remounting an existing mount\"";

    const SOURCES: [&str; 2] = ["/tmp/letters", "/tmp/parcels"];

    /// Where a volume is to be, which has the name of its source there.
    fn place(source: &str) -> PathBuf {
        Path::new("/tmp/root/volumes").join(Path::new(source).file_name().unwrap())
    }

    /// Starts a container with mounts of its own, and a volume.
    fn start(host: &Host, source: &str, read_only: bool) -> Container<()> {
        host.may_change(&["mnt"]);
        host.may_leave(&["+ file: /tmp/root"]);
        fs::create_dir_all(source).unwrap();
        fs::write(format!("{source}/first"), "from the host").unwrap();
        let mounted = place(source).display().to_string();
        let options = if read_only { "ro" } else { "rw" };
        host.may_mount_inside(&[&format!("{mounted}, {options},")]);
        host.start(|| {
            unshare(CloneFlags::CLONE_NEWNS)?;
            mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
            add_volume(Path::new(source), &place(source), read_only)
        })
    }

    /// Returns what a file says, or why it can't be read.
    fn read(file: impl AsRef<Path>) -> String {
        fs::read_to_string(file).unwrap_or_else(|error| error.to_string())
    }

    /// Writes a file, and returns what comes of it.
    fn write(file: impl AsRef<Path>) -> String {
        fs::write(file, "from the container")
            .map_or_else(|error| error.to_string(), |()| "written".into())
    }

    #[test]
    fn what_the_container_writes_is_on_the_host() {
        exercise::as_root(READ, |host| {
            for source in SOURCES {
                let container = start(host, source, false);
                let seen = host.inside(&container, || read(place(source).join("first")));
                host.shows("a file of the host in the container", seen).should_be("from the host");
                let outcome = host.inside(&container, || write(place(source).join("second")));
                host.shows("what comes of a write in the container", outcome).should_be("written");
                host.shows("that file on the host", read(format!("{source}/second")))
                    .should_be("from the container");
            }
        });
    }

    #[test]
    fn what_may_be_read_alone_is_not_written_to() {
        exercise::as_root(READ, |host| {
            for source in SOURCES {
                let container = start(host, source, true);
                let outcome = host.inside(&container, || write(place(source).join("second")));
                host.shows("what comes of a write to a volume that is read-only", outcome)
                    .should_have("Read-only file system");
                let outcome = host.inside(&container, || write("/tmp/root/volumes/beside"));
                host.shows("what comes of a write beside it", outcome).should_be("written");
            }
        });
    }

    #[test]
    fn the_host_goes_on_to_write_to_it_and_the_container_sees_that() {
        exercise::as_root(READ, |host| {
            let container = start(host, SOURCES[0], true);
            let later = format!("{}/later", SOURCES[0]);
            host.shows("what comes of a write on the host", write(&later)).should_be("written");
            let seen = host.inside(&container, || read(place(SOURCES[0]).join("later")));
            host.shows("that file in the container", seen).should_be("from the container");
        });
    }
}
