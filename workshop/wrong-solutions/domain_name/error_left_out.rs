// refused with: takes no name of 65 bytes

use anyhow::Result;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    Ok(())
}
