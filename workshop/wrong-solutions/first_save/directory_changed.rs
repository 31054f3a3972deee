// refused with: what your function changes of its own process
// refused with: + own cwd: /proc/sys/kernel

use std::fs;

use anyhow::Result;
fn hostname() -> Result<String> {
    std::env::set_current_dir("/proc/sys/kernel")?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
