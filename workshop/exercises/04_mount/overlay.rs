// One image, many containers.
//
// An image is a directory that nobody changes. A container has another one, for what it changes. overlayfs shows the
// two as one: what is only below is seen through, and what is written is written above. So any number of containers
// can have one image, and none sees what the others do.
//
// Here each container has the image itself.
//
// Read: book/src/what-a-container-is.md#images, mount(8), mount(2).

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Makes `root` in the directory `container`: all that is in `image`, to be changed at will. The changes are kept in
/// `changes`, beside it; `work` is for overlayfs itself.
fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let [root, changes, work] = ["root", "changes", "work"].map(|name| container.join(name));
    for directory in [&root, &changes, &work] {
        fs::create_dir_all(directory)?;
    }
    // TODO: an overlay. For root of a user namespace "userxattr" is among its options.
    mount(Some(image), &root, NONE, MsFlags::MS_BIND, NONE)?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use grader::exercise::{self, Host};
    use nix::libc;

    use super::*;

    const READ: &str = "book/src/what-a-container-is.md#images and mount(8)";

    const IMAGE: &str = "/tmp/image";

    /// Makes the image and mounts the root directories of two containers.
    fn start(host: &Host) {
        fs::create_dir_all("/tmp/image/etc").unwrap();
        fs::write("/tmp/image/etc/motd", "of the image").unwrap();
        fs::write("/tmp/image/etc/issue", "of the image").unwrap();
        // On the host, so that all can be looked at from here.
        host.may_leave(&["+ mount: /tmp/one/root", "+ file: /tmp/one"]);
        host.may_leave(&["+ mount: /tmp/two/root", "+ file: /tmp/two"]);
        for container in ["/tmp/one", "/tmp/two"] {
            host.run(|| mount_root(Path::new(IMAGE), Path::new(container)));
        }
    }

    /// Returns what a file says, or why it can't be read.
    fn read(file: &str) -> String {
        fs::read_to_string(file).unwrap_or_else(|error| error.to_string())
    }

    /// Does something in the first container.
    fn change(host: &Host, change: impl Fn() -> std::io::Result<()>) {
        if let Err(error) = change() {
            host.fail(&format!("The container can't change its files: {error}"));
        }
    }

    #[test]
    fn the_container_changes_a_file_and_the_image_keeps_it() {
        exercise::as_root(READ, |host| {
            start(host);
            host.shows("a file in the container", read("/tmp/one/root/etc/motd"))
                .should_be("of the image");
            change(host, || fs::write("/tmp/one/root/etc/motd", "changed"));
            host.shows("a file that the container has changed", read("/tmp/one/root/etc/motd"))
                .should_be("changed");
            host.shows("that file in the image", read("/tmp/image/etc/motd"))
                .should_be("of the image");
            host.shows("that file in the changes", read("/tmp/one/changes/etc/motd"))
                .should_be("changed");
        });
    }

    #[test]
    fn the_container_removes_a_file_and_the_image_keeps_it() {
        exercise::as_root(READ, |host| {
            start(host);
            change(host, || fs::remove_file("/tmp/one/root/etc/motd"));
            host.shows("a file that the container has removed", read("/tmp/one/root/etc/motd"))
                .should_have("No such file");
            host.shows("that file in the image", read("/tmp/image/etc/motd"))
                .should_be("of the image");
        });
    }

    #[test]
    fn another_container_sees_nothing_of_it() {
        exercise::as_root(READ, |host| {
            start(host);
            change(host, || fs::write("/tmp/one/root/etc/motd", "changed"));
            host.shows("that file in another container", read("/tmp/two/root/etc/motd"))
                .should_be("of the image");
        });
    }

    #[test]
    fn what_it_does_not_change_is_in_the_image_alone() {
        exercise::as_root(READ, |host| {
            start(host);
            change(host, || fs::write("/tmp/one/root/etc/motd", "changed"));
            host.shows("a file that nobody changes", read("/tmp/one/root/etc/issue"))
                .should_be("of the image");
            host.shows("that file in the changes", read("/tmp/one/changes/etc/issue"))
                .should_have("No such file");
        });
    }

    #[test]
    fn it_is_the_kernel_that_shows_the_two_as_one() {
        exercise::as_root(READ, |host| {
            start(host);
            let mounts = host.read("mounts");
            let root = mounts.lines().find(|line| line.contains(" /tmp/one/root "));
            let root = root.unwrap_or("nothing");
            host.shows("what is mounted on the container's root", root).should_have(" overlay ");
            // Changes may not be lost when the machine is, and programs may be run.
            for option in ["volatile", "noexec"] {
                host.shows("the options of the mount on the container's root", root)
                    .should_not_have(option);
            }
            // overlayfs shows the number of the file that is below.
            let number = |file: &str| fs::metadata(file).map_or(0, |file| file.ino());
            host.shows("what is below: a file's number", number("/tmp/one/root/etc/issue"))
                .should_be_that("that in the image", number("/tmp/image/etc/issue"));
        });
    }

    /// Whether files here can have extended attributes of the kind "user": on a tmpfs since Linux 6.6.
    fn has_user_attributes() -> bool {
        let (file, name) = (c"/tmp/image".as_ptr(), c"user.tried".as_ptr());
        // SAFETY: the kernel reads two strings, and no value.
        let set = unsafe { libc::setxattr(file, name, std::ptr::null(), 0, 0) };
        // SAFETY: the kernel reads two strings.
        set == 0 && unsafe { libc::removexattr(file, name) } == 0
    }

    #[test]
    fn a_directory_that_is_made_anew_is_empty() {
        exercise::as_root(READ, |host| {
            start(host);
            if !has_user_attributes() {
                return;
            }
            let anew = || {
                fs::remove_dir_all("/tmp/one/root/etc")?;
                fs::create_dir("/tmp/one/root/etc")?;
                let files = fs::read_dir("/tmp/one/root/etc")?;
                let names = files.map(|file| file.map(|file| file.file_name()));
                names.collect::<std::io::Result<Vec<_>>>()
            };
            let files = anew().map_or_else(|error| error.to_string(), |names| format!("{names:?}"));
            host.shows("the files in a directory that the container has made anew", files)
                .should_be("[]");
        });
    }
}
