// By mount_setattr(2), since Linux 5.12.

use std::ffi::CStr;
use std::path::Path;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;

fn container(directory: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    set_propagation(c"/", libc::MS_PRIVATE as u64)?;
    mount(Some("temp"), directory, Some("tmpfs"), MsFlags::empty(), NONE)?;
    Ok(())
}

fn set_propagation(path: &CStr, propagation: u64) -> Result<()> {
    let attributes = libc::mount_attr { attr_set: 0, attr_clr: 0, propagation, userns_fd: 0 };
    // SAFETY: the kernel reads a string, and a structure of the size that it is told.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })?;
    Ok(())
}
