// The C library has both calls.

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;

fn container(name: &str) -> Result<()> {
    // SAFETY: it takes no pointer.
    Errno::result(unsafe { libc::unshare(libc::CLONE_NEWUTS) })?;
    // SAFETY: the kernel reads as many bytes as `name` has.
    Errno::result(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}
