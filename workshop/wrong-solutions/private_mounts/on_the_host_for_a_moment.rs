// refused with: if only for a moment
// refused with: mount(2)

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
const NONE: Option<&str> = None;
fn container(directory: &Path) -> Result<()> {
    mount(Some("temp"), directory, Some("tmpfs"), MsFlags::empty(), NONE)?;
    nix::mount::umount(directory)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some("temp"), directory, Some("tmpfs"), MsFlags::empty(), NONE)?;
    Ok(())
}
