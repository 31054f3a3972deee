// A descriptor of a directory above the new root does as well.

use std::fs::{self, File};

use anyhow::Result;
use nix::unistd::{chdir, chroot, fchdir};

fn escape() -> Result<()> {
    let here = File::open(".")?;
    fs::create_dir_all("a/b")?;
    chroot("a/b")?;
    chdir("/")?;
    fchdir(&here)?;
    for _ in 0..64 {
        chdir("..")?;
    }
    chroot(".")?;
    Ok(())
}
