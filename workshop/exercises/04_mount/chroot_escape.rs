// Out of a chroot.
//
// A process that has gone up to its root directory goes no further: there ".." is ".". Nothing else holds it. The
// kernel compares each directory on the way up with the root directory, and stops at that one. So what about a
// process that is not below its root directory at all? Root in a chroot can become such a process.
//
// This is a reason why the stages use pivot_root(2) from 04 on. There the same steps lead nowhere.
//
// Read: book/src/04-mount.md#failure, chroot(2).

use anyhow::Result;
use nix::unistd::{chdir, chroot};

/// Leaves the root directory that this process has been put into. In the end its root directory is the host's.
fn escape() -> Result<()> {
    // TODO: a step is missing. Without it the walk ends where it began.
    for _ in 0..64 {
        chdir("..")?;
    }
    chroot(".")?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use grader::exercise;
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    use nix::sched::{CloneFlags, unshare};
    use nix::unistd::{chdir, chroot, pivot_root};

    use super::*;

    const READ: &str = "book/src/04-mount.md#failure and chroot(2)";

    /// One of them lies deep.
    const JAILS: [&str; 2] =
        ["/tmp/jail", "/tmp/jail/of/so/many/steps/up/as/no/one/ever/counts/by/hand"];

    const JAIL: &str = JAILS[0];

    const NONE: Option<&str> = None;

    #[test]
    fn a_chroot_can_be_left() {
        exercise::as_root(READ, |host| {
            // Whatever it makes in the jail, it stays there.
            host.may_leave(&["+ file: /tmp/jail/", "own root", "own cwd"]);
            for jail in JAILS {
                fs::create_dir_all(jail).unwrap();
                let prisoner = host.start(|| {
                    chroot(jail)?;
                    chdir("/")?;
                    escape()
                });
                let own = format!("/proc/{}/root", prisoner.pid());
                let root = fs::read_link(&own).unwrap();
                host.shows("the root directory of the process", root.display()).should_be("/");
                // A root directory that is mounted nowhere is called like that, too.
                for place in ["", "tmp"] {
                    let inode = |root: &str| {
                        let file = fs::metadata(format!("{root}/{place}/."));
                        file.map_or(String::new(), |file| {
                            format!("{} on {}", file.ino(), file.dev())
                        })
                    };
                    host.shows(
                        &format!("the number and the device of its directory /{place}"),
                        inode(&own),
                    )
                    .should_be(inode(""));
                }
            }
        });
    }

    #[test]
    fn with_pivot_root_the_same_steps_lead_nowhere() {
        exercise::as_root(READ, |host| {
            host.may_change(&["mnt"]);
            host.may_mount_inside(&["/, rw"]);
            host.may_leave(&["- mounted inside:", "+ file: /tmp/jail/", "own root", "own cwd"]);
            fs::create_dir(JAIL).unwrap();
            fs::write(Path::new(JAIL).join("still_inside"), "").unwrap();
            let prisoner = host.start(|| {
                unshare(CloneFlags::CLONE_NEWNS)?;
                mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
                mount(Some(JAIL), JAIL, NONE, MsFlags::MS_BIND, NONE)?;
                chdir(JAIL)?;
                pivot_root(".", ".")?;
                umount2(".", MntFlags::MNT_DETACH)?;
                escape()
            });
            let files = fs::read_dir(format!("/proc/{}/root", prisoner.pid())).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap() + " ");
            host.shows("the files in the root directory of the process", names.collect::<String>())
                .should_have("still_inside");
        });
    }
}
