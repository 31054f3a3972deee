// refused with: a namespace that is none of your function's business
// refused with: ipc of process

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNET)?;
    sethostname(name)?;
    Ok(())
}
