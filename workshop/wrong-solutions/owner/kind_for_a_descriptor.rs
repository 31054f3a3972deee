// refused with: has been ended by a signal
// refused with: owned file descriptor

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;

fn owner(namespace: &File) -> Result<OwnedFd> {
    let request = libc::NS_GET_NSTYPE;
    let descriptor = Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), request) })?;
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
