// refused with: the cgroup of the container
// refused with: it should show    /container/below

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

fn container(cgroup: &Path) -> Result<()> {
    fs::write(
        format!("{}/cgroup.procs", cgroup.display().to_string().trim_end_matches("/below")),
        "0",
    )
    .context("move to the cgroup")?;
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    Ok(())
}
