// refused with: the owner, seen from inside

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

fn owners(file: &Path, container: Pid) -> Result<(u32, u32)> {
    let outside = fs::metadata(file)?.uid();
    let file = format!("/proc/{container}/root{}", file.display());
    let inside = fs::metadata(file)?.uid();
    Ok((outside, inside))
}
