// refused with: Your function has returned an error: too long

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

/// Gives this process the NIS domain name `name`. It keeps the hostname, and the host keeps both of its names.
fn container(name: &str) -> Result<()> {
    anyhow::ensure!(name.len() < 32, "too long");
    unshare(CloneFlags::CLONE_NEWUTS)?;
    // SAFETY: the kernel reads as many bytes as `name` has.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}
