// refused with: what your function does unseen
// refused with: setxattr

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::Permissions::from_mode(0);
    nix::errno::Errno::result(unsafe { nix::libc::setxattr(c"/tmp".as_ptr(), c"user.cheat".as_ptr(), c"x".as_ptr().cast(), 1, 0) })?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
