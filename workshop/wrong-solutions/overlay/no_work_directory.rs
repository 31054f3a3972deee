// refused with: Your function has returned an error: EINVAL

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let [root, changes, work] = ["root", "changes", "work"].map(|name| container.join(name));
    for directory in [&root, &changes, &work] {
        fs::create_dir_all(directory)?;
    }
    let (image, changes, work) = (image.display(), changes.display(), work.display());
    let options = format!("lowerdir={image},upperdir={changes},userxattr");
    mount(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?;
    Ok(())
}
