// refused with: a mount of the container in a peer group

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;

fn container(directory: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    for point in ["/", "/tmp"] {
        mount(NONE, point, NONE, MsFlags::MS_PRIVATE, NONE)?;
    }
    mount(Some("temp"), directory, Some("tmpfs"), MsFlags::empty(), NONE)?;
    Ok(())
}
