// refused with: what your function leaves on the host
// refused with: + POSIX message queue: /left

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    nix::errno::Errno::result(unsafe {
        nix::libc::mq_open(
            c"/left".as_ptr(),
            nix::libc::O_CREAT | nix::libc::O_RDWR | nix::libc::O_CLOEXEC,
            0o600,
            0,
        )
    })
    .map(|queue| nix::unistd::close(queue))??;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
