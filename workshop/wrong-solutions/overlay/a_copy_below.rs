// refused with: what is below

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let [root, changes, work] = ["root", "changes", "work"].map(|name| container.join(name));
    for directory in [&root, &changes, &work] {
        fs::create_dir_all(directory)?;
    }
    copy(image, &root)?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        root.display(),
        changes.display(),
        work.display()
    );
    mount(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied)?;
        } else {
            fs::copy(&path, &copied)?;
        }
    }
    Ok(())
}
