// refused with: that file in another container
// refused with: the kernel shows  changed

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let [root, work] = ["root", "work"].map(|name| container.join(name));
    let changes = container.with_file_name("changes");
    for directory in [&root, &changes, &work] {
        fs::create_dir_all(directory)?;
    }
    let (image, changes, work) = (image.display(), changes.display(), work.display());
    let options = format!("lowerdir={image},upperdir={changes},workdir={work},userxattr");
    mount(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?;
    Ok(())
}
