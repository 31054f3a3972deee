// Another order, another source.

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};

fn mount_root(image: &Path, container: &Path) -> Result<()> {
    let place = |name: &str| container.join(name).display().to_string();
    for name in ["work", "changes", "root"] {
        fs::create_dir_all(container.join(name))?;
    }
    let options = [
        "userxattr".to_owned(),
        format!("workdir={}", place("work")),
        format!("upperdir={}", place("changes")),
        format!("lowerdir={}", image.display()),
    ];
    let (options, flags) = (options.join(","), MsFlags::MS_NODEV);
    mount(Some("none"), place("root").as_str(), Some("overlay"), flags, Some(options.as_str()))?;
    Ok(())
}
