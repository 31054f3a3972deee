// The image by a path from the working directory.

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let [root, changes, work] = ["root", "changes", "work"].map(|name| container.join(name));
    for directory in [&root, &changes, &work] {
        fs::create_dir_all(directory)?;
    }
    let before = std::env::current_dir()?;
    std::env::set_current_dir(container)?;
    let image = Path::new("..").join(image.file_name().unwrap_or_default());
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        image.display(),
        changes.display(),
        work.display()
    );
    mount(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?;
    std::env::set_current_dir(before)?;
    Ok(())
}
