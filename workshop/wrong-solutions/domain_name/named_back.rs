// refused with: the UTS namespaces in which a name has been set

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

fn container(name: &str) -> Result<()> {
    let before = nix::sys::utsname::uname()?.domainname().to_os_string();
    // SAFETY: the kernel reads as many bytes as there are.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) })?;
    // SAFETY: as above.
    Errno::result(unsafe {
        libc::setdomainname(before.as_encoded_bytes().as_ptr().cast(), before.len())
    })?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    // SAFETY: the kernel reads as many bytes as `name` has.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}
