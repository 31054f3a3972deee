// refused with: that file in the image
// refused with: that file in another container

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

const NONE: Option<&str> = None;

fn mount_root(image: &Path, container: &Path) -> Result<()> {
    for directory in ["root", "changes", "work"] {
        fs::create_dir_all(container.join(directory))?;
    }
    mount(Some(image), &container.join("root"), NONE, MsFlags::MS_BIND, NONE)?;
    Ok(())
}
