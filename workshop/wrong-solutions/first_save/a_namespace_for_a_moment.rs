// refused with: if only for a moment
// refused with: uts

use std::fs;

use anyhow::Result;
fn hostname() -> Result<String> {
    let own = std::fs::File::open("/proc/self/ns/uts")?;
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS)?;
    nix::sched::setns(own, nix::sched::CloneFlags::CLONE_NEWUTS)?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
