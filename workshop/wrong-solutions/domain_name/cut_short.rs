// refused with: the container's NIS domain name
// refused with: the kernel shows  cella

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    // As if the length counted a zero byte.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len() - 1) })?;
    Ok(())
}
