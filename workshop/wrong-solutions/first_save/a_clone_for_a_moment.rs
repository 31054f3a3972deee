// refused with: a namespace that is none of your function's business, if only for a moment

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    let flags = nix::sched::CloneFlags::CLONE_NEWUTS | nix::sched::CloneFlags::CLONE_NEWNS;
    let mut stack = vec![0; 64 * 1024];
    let child = unsafe { nix::sched::clone(Box::new(|| 0), &mut stack, flags, Some(nix::libc::SIGCHLD)) }?;
    nix::sys::wait::waitpid(child, None)?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
