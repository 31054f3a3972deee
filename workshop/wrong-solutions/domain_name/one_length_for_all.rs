// refused with: the container's NIS domain name
// refused with: the kernel shows  the-ro

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    // SAFETY: the kernel reads as many bytes as `name` has.
    Errno::result(unsafe {
        libc::setdomainname(
            name.as_ptr().cast(),
            if name.len() > 64 { 65 } else { 6.min(name.len()) },
        )
    })?;
    Ok(())
}
