// refused with: what your function returns
// refused with: it should show    "Cellar.example.org"

use std::fs;

use anyhow::Result;

/// Returns the name of this host.
fn hostname() -> Result<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
    Ok(name.trim_end().split('.').next().unwrap_or_default().to_lowercase())
}
