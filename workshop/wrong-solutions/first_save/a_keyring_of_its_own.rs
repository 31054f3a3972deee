// refused with: what your function does unseen
// refused with: keyctl

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    // KEYCTL_JOIN_SESSION_KEYRING
    nix::errno::Errno::result(unsafe { nix::libc::syscall(nix::libc::SYS_keyctl, 1, 0) })?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
