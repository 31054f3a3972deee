// refused with: the number of its root directory

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, pivot_root};

const NONE: Option<&str> = None;

fn container(root: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let names: Vec<_> = fs::read_dir(root)?.map(|entry| entry.unwrap().file_name()).collect();
    mount(Some("copy"), root, Some("tmpfs"), MsFlags::empty(), NONE)?;
    for name in names {
        fs::write(root.join(name), "")?;
    }
    chdir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    Ok(())
}
