// refused with: the container's NIS domain name

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

/// Gives this process the hostname `name`, and leaves the host's as it is.
fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    nix::errno::Errno::result(unsafe { nix::libc::setdomainname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}
