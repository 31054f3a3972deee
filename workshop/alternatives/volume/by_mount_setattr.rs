// Read-only before it is in its place.

use std::ffi::CString;
use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;

fn add_volume(source: &Path, place: &Path, read_only: bool) -> Result<()> {
    fs::create_dir_all(place)?;
    let [source, place] =
        [source, place].map(|path| CString::new(path.as_os_str().as_encoded_bytes()));
    let (source, place) = (source?, place?);
    let attr_set = if read_only { libc::MOUNT_ATTR_RDONLY } else { 0 };
    let attributes = libc::mount_attr { attr_set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the kernel reads strings, and a structure of the size that it is told.
    unsafe {
        let tree = Errno::result(libc::syscall(
            libc::SYS_open_tree,
            libc::AT_FDCWD,
            source.as_ptr(),
            1 | libc::O_CLOEXEC,
        ))?;
        Errno::result(libc::syscall(
            libc::SYS_mount_setattr,
            tree,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &attributes,
            size_of_val(&attributes),
        ))?;
        Errno::result(libc::syscall(
            libc::SYS_move_mount,
            tree,
            c"".as_ptr(),
            libc::AT_FDCWD,
            place.as_ptr(),
            4,
        ))?;
        libc::close(tree as i32);
    }
    Ok(())
}
