// refused with: what your function does unseen
// refused with: landlock_restrict_self

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    // No file may be written to, from now on.
    let handled: u64 = 1 << 1;
    let set = unsafe { nix::libc::syscall(nix::libc::SYS_landlock_create_ruleset, &handled, 8, 0) };
    nix::errno::Errno::result(set)?;
    nix::errno::Errno::result(unsafe {
        nix::libc::syscall(nix::libc::SYS_landlock_restrict_self, set, 0)
    })?;
    nix::unistd::close(set as i32)?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
