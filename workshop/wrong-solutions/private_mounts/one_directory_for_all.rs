// refused with: what the container has mounted
// refused with: temp /tmp/below tmpfs

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;

fn container(_: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some("temp"), "/tmp", Some("tmpfs"), MsFlags::empty(), NONE)?;
    Ok(())
}
