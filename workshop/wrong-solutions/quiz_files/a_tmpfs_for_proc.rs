// refused with: the file system on its /proc

use std::path::Path;

use anyhow::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, chroot, pivot_root, sethostname};

const NONE: Option<&str> = None;

fn container(name: &str, root: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNS)?;
    sethostname(name)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some(root), root, NONE, MsFlags::MS_BIND, NONE)?;
    chdir(root)?;
    mount(Some("tmpfs"), "proc", Some("tmpfs"), MsFlags::empty(), NONE)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    Ok(())
}
