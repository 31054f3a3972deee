// refused with: the cgroup of the container
// refused with: /host

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

fn container(cgroup: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    Ok(())
}
