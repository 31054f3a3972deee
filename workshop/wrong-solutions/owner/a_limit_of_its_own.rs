// refused with: what your function changes of its own process
// refused with: + own limit: Max open files

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
fn owner(namespace: &File) -> Result<OwnedFd> {
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 64, 64)?;
    let request = libc::NS_GET_USERNS;
    // SAFETY: these requests take no pointer.
    let descriptor = Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), request) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
