// refused with: the cgroup namespace of the container
// refused with: the cgroup of the container

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

fn container(cgroup: &Path) -> Result<()> {
    Ok(())
}
