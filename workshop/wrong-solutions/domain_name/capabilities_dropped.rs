// refused with: what your function changes of its own process
// refused with: + own CapBnd

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
fn container(name: &str) -> Result<()> {
    nix::errno::Errno::result(unsafe {
        nix::libc::prctl(nix::libc::PR_CAPBSET_DROP, 21, 0, 0, 0)
    })?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    // SAFETY: the kernel reads as many bytes as `name` has.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}
