// refused with: what is mounted in the container
// refused with: noexec

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
    if read_only {
        let flags =
            MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOEXEC;
        mount(NONE, place, NONE, flags, NONE)?;
    }
    Ok(())
}
