// refused with: the number of the container's root directory

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
    let _ = root;
    let root = Path::new("/tmp/root");
    mount(Some(root), root, NONE, MsFlags::MS_BIND, NONE)?;
    chdir(root)?;
    mount(Some("proc"), "proc", Some("proc"), MsFlags::empty(), NONE)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    Ok(())
}
