// refused with: what your function changes of its own process
// refused with: own descriptor: 0

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    for stream in 0..3 {
        unsafe { nix::libc::fcntl(stream, nix::libc::F_SETFD, nix::libc::FD_CLOEXEC) };
    }
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
