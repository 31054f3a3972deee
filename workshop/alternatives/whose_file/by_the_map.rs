use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use nix::unistd::Pid;

fn owners(file: &Path, container: Pid) -> Result<(u32, u32)> {
    let outside = fs::metadata(file)?.uid();
    let map = fs::read_to_string(format!("/proc/{container}/uid_map"))?;
    for line in map.lines() {
        let numbers: Vec<u32> = line.split_whitespace().flat_map(str::parse).collect();
        if (numbers[1]..numbers[1] + numbers[2]).contains(&outside) {
            return Ok((outside, numbers[0] + outside - numbers[1]));
        }
    }
    Ok((outside, 65534))
}
