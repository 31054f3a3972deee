// refused with: that file in the changes
// refused with: something with No such file

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use nix::mount::{MsFlags, mount};

const NONE: Option<&str> = None;

fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let [root, changes] = ["root", "changes"].map(|name| container.join(name));
    fs::create_dir_all(&root)?;
    let copied = std::process::Command::new("cp").arg("-a").arg(image).arg(&changes).status()?;
    ensure!(copied.success(), "cp: {copied}");
    mount(Some(&changes), &root, NONE, MsFlags::MS_BIND, NONE)?;
    Ok(())
}
