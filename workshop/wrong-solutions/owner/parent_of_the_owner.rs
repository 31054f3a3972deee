// refused with: EPERM

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;

fn owner(namespace: &File) -> Result<OwnedFd> {
    let mut descriptor = namespace.as_raw_fd();
    for request in [libc::NS_GET_USERNS, libc::NS_GET_PARENT] {
        descriptor = Errno::result(unsafe { libc::ioctl(descriptor, request) })?;
    }
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
