// With a place for the old root, which is removed afterwards.

use std::path::Path;

use anyhow::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, pivot_root};

const NONE: Option<&str> = None;

fn container(root: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some(root), root, NONE, MsFlags::MS_BIND, NONE)?;
    chdir(root)?;
    std::fs::create_dir("old")?;
    pivot_root(".", "old")?;
    chdir("/")?;
    umount2("old", MntFlags::MNT_DETACH)?;
    std::fs::remove_dir("old")?;
    Ok(())
}
