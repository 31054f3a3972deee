// refused with: the options of the mount on the container's root
// refused with: nothing with volatile

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

/// Makes `root` in the directory `container`: all that is in `image`, to be changed at will. The changes are kept in
/// `changes`, beside it; `work` is for overlayfs itself.
fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let [root, changes, work] = ["root", "changes", "work"].map(|name| container.join(name));
    for directory in [&root, &changes, &work] {
        fs::create_dir_all(directory)?;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,volatile",
        image.display(),
        changes.display(),
        work.display()
    );
    mount(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?;
    Ok(())
}
