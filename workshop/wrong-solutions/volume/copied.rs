// refused with: that file on the host
// refused with: No such file

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

const NONE: Option<&str> = None;

fn add_volume(source: &Path, place: &Path, read_only: bool) -> Result<()> {
    fs::create_dir_all(place)?;
    let flag = if read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        fs::copy(entry.path(), place.join(entry.file_name()))?;
    }
    mount(Some(place), place, NONE, MsFlags::MS_BIND, NONE)?;
    mount(NONE, place, NONE, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flag, NONE)?;
    Ok(())
}
