// refused with: what your function returns
// refused with: the kernel shows  "kitchen\n"

use std::fs;

use anyhow::Result;

fn hostname() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?)
}
