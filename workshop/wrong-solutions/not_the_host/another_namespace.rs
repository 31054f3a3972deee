// refused with: the name of the host
// refused with: the UTS namespace of the container

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    sethostname(name)?;
    Ok(())
}
