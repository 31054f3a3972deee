use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Shows the directory `source` of the host at `place`, which is made, and which the container can write to or not.
fn add_volume(source: &Path, place: &Path, read_only: bool) -> Result<()> {
    fs::create_dir_all(place)?;
    mount(Some(source), place, NONE, MsFlags::MS_BIND, NONE)?;
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    flags.set(MsFlags::MS_RDONLY, read_only);
    mount(NONE, place, NONE, flags, NONE)?;
    Ok(())
}
