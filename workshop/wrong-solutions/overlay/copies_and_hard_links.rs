// refused with: what is mounted on the container's root

use std::fs;
use std::path::Path;

use anyhow::Result;

fn mount_root(image: &Path, container: &Path) -> Result<()> {
    for name in ["root/etc", "changes/etc", "work"] {
        fs::create_dir_all(container.join(name))?;
    }
    for name in ["etc/motd", "etc/issue"] {
        fs::copy(image.join(name), container.join("root").join(name))?;
    }
    fs::hard_link(container.join("root/etc/motd"), container.join("changes/etc/motd"))?;
    Ok(())
}
