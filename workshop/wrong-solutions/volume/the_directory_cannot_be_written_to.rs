// refused with: Read-only file system

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

const NONE: Option<&str> = None;

fn add_volume(source: &Path, place: &Path, read_only: bool) -> Result<()> {
    fs::create_dir_all(place)?;
    mount(Some(source), place, NONE, MsFlags::MS_BIND, NONE)?;
    if read_only {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(place, fs::Permissions::from_mode(0o555))?;
    }
    Ok(())
}
