// refused with: what is below the root of the container's mount namespace

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::chdir;

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Gives this process mounts of its own, of which `root` is the only one.
fn container(root: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some(root), root, NONE, MsFlags::MS_BIND, NONE)?;
    chdir(root)?;
    // As switch_root(8): the old root is still there, below this one.
    mount(Some("."), "/", NONE, MsFlags::MS_MOVE, NONE)?;
    nix::unistd::chroot(".")?;
    chdir("/")?;
    Ok(())
}
