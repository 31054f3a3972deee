// refused with: a file of the host in the container | that file on the host

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

const NONE: Option<&str> = None;

fn add_volume(_source: &Path, place: &Path, read_only: bool) -> Result<()> {
    fs::create_dir_all(place)?;
    mount(Some("/tmp/letters"), place, NONE, MsFlags::MS_BIND, NONE)?;
    if read_only {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(NONE, place, NONE, flags, NONE)?;
    }
    Ok(())
}
