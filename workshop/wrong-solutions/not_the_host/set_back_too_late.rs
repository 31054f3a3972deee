// refused with: the name of the host
// refused with: the name of the container

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{gethostname, sethostname};

fn container(name: &str) -> Result<()> {
    let before = gethostname()?;
    sethostname(name)?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    sethostname(before)?;
    Ok(())
}
