// By the newer calls, which copy a mount and put it in its place: open_tree(2), move_mount(2).

use std::ffi::CString;
use std::path::Path;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::pivot_root;

const NONE: Option<&str> = None;

fn container(root: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let place = CString::new(root.as_os_str().as_encoded_bytes())?;
    let (here, place) = (libc::AT_FDCWD, place.as_ptr());
    // OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC and MOVE_MOUNT_F_EMPTY_PATH: linux/mount.h.
    let [flags, empty] = [1 | libc::O_CLOEXEC, 4];
    // SAFETY: the kernel reads strings, and returns a descriptor.
    let tree = unsafe {
        let tree = Errno::result(libc::syscall(libc::SYS_open_tree, here, place, flags))?;
        let nothing = c"".as_ptr();
        Errno::result(libc::syscall(libc::SYS_move_mount, tree, nothing, here, place, empty))?;
        Errno::result(libc::fchdir(tree as i32))?;
        tree
    };
    nix::unistd::close(tree as i32)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    Ok(())
}
