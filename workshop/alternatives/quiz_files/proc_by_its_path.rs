// With two calls of unshare(2), and absolute paths until the end.

use std::path::Path;

use anyhow::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, pivot_root, sethostname};

const NONE: Option<&str> = None;

fn container(name: &str, root: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some(root), root, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("none"), &root.join("proc"), Some("proc"), flags, NONE)?;
    chdir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}
