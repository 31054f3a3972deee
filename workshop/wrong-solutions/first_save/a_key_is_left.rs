// refused with: what your function does unseen
// refused with: add_key

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    // KEY_SPEC_USER_KEYRING
    nix::errno::Errno::result(unsafe {
        nix::libc::syscall(
            nix::libc::SYS_add_key,
            c"user".as_ptr(),
            c"renamed".as_ptr(),
            c"x".as_ptr(),
            1,
            -4,
        )
    })?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
