// refused with: the name of the container
// refused with: it should show    nshost

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

fn container(_: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    Ok(())
}
