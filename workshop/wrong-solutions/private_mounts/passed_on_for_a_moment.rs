// refused with: if only for a moment
// refused with: another mount, or one less

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
const NONE: Option<&str> = None;
fn container(directory: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(Some("temp"), directory, Some("tmpfs"), MsFlags::empty(), NONE)?;
    nix::mount::umount(directory)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some("temp"), directory, Some("tmpfs"), MsFlags::empty(), NONE)?;
    Ok(())
}
