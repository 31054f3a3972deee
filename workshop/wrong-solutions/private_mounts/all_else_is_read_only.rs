// refused with: what is mounted in the container
// refused with: , ro

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Gives this process mounts of its own, with a tmpfs on `directory`. From here on neither it nor the host sees
/// what the other mounts.
fn container(directory: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    set(c"/tmp", nix::libc::MOUNT_ATTR_RDONLY, 0)?;
    mount(Some("temp"), directory, Some("tmpfs"), MsFlags::empty(), NONE)?;
    Ok(())
}

/// Sets attributes of this mount, and of all below: mount_setattr(2).
fn set(path: &std::ffi::CStr, set: u64, propagation: u64) -> Result<()> {
    use nix::libc;
    let attributes = libc::mount_attr { attr_set: set, attr_clr: 0, propagation, userns_fd: 0 };
    nix::errno::Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &attributes,
            size_of_val(&attributes),
        )
    })?;
    Ok(())
}
