// refused with: the UTS namespaces in which a name has been set

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{gethostname, sethostname};

fn container(name: &str) -> Result<()> {
    let before = gethostname()?;
    sethostname(name)?;
    sethostname(&before)?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}
