// refused with: what your function leaves on the host
// refused with: + child: true, a zombie | + child: true

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;
fn owners(file: &Path, container: Pid) -> Result<(u32, u32)> {
    std::process::Command::new("true").spawn()?;
    let outside = fs::metadata(file)?.uid();
    let namespace = fs::File::open(format!("/proc/{container}/ns/user"))?;
    setns(namespace, CloneFlags::CLONE_NEWUSER)?;
    let inside = fs::metadata(file)?.uid();
    Ok((outside, inside))
}
