// refused with: a file of the host in the container

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
const NONE: Option<&str> = None;
fn add_volume(source: &Path, place: &Path, read_only: bool) -> Result<()> {
    let place = Path::new("/tmp/root/volumes/letters");
    fs::create_dir_all(place)?;
    mount(Some(source), place, NONE, MsFlags::MS_BIND, NONE)?;
    if read_only {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(NONE, place, NONE, flags, NONE)?;
    }
    Ok(())
}
