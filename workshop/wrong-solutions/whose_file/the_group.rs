// refused with: the owner, seen from inside

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;
fn owners(file: &Path, container: Pid) -> Result<(u32, u32)> {
    let outside = fs::metadata(file)?.gid();
    let namespace = fs::File::open(format!("/proc/{container}/ns/user"))?;
    setns(namespace, CloneFlags::CLONE_NEWUSER)?;
    let inside = fs::metadata(file)?.gid();
    Ok((outside, inside))
}
