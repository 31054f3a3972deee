// refused with: the owner of /etc/passwd, seen by user 7
// refused with: the kernel shows  7

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;

fn owners(file: &Path, container: Pid) -> Result<(u32, u32)> {
    let outside = fs::metadata(file)?.uid();
    let map = fs::read_to_string(format!("/proc/{container}/uid_map"))?;
    let inside = map.split_whitespace().next().map_or(Ok(65534), str::parse)?;
    Ok((outside, inside))
}
