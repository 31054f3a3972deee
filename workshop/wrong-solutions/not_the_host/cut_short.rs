// refused with: the name of the container
// refused with: the kernel shows  xxxxxxxx

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

/// Gives this process the hostname `name`, and leaves the host's as it is.
fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    // As some buffers of eight bytes do.
    sethostname(&name[..name.len().min(8)])?;
    Ok(())
}
