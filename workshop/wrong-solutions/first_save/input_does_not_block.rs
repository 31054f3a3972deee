// refused with: what your function changes of its own process
// refused with: own descriptor: 0

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    unsafe { nix::libc::fcntl(0, nix::libc::F_SETFL, nix::libc::O_NONBLOCK) };
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
