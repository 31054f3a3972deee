// refused with: what your function leaves on the host
// refused with: + file: /tmp/one-more

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let [root, changes, work] = ["root", "changes", "work"].map(|name| container.join(name));
    let mut beside = container.as_os_str().to_owned();
    beside.push("-more");
    fs::create_dir_all(&beside)?;
    for directory in [&root, &changes, &work] {
        fs::create_dir_all(directory)?;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        image.display(),
        changes.display(),
        work.display()
    );
    mount(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?;
    Ok(())
}
