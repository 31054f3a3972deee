// The number of the request, as ioctl_ns(2) has it.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;

fn owner(namespace: &File) -> Result<OwnedFd> {
    let request = 0xb701;
    // SAFETY: these requests take no pointer.
    let descriptor = Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), request) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
