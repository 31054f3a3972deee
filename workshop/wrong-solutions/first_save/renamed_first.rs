// refused with: the kernel shows  "laptop"

use std::fs;

use anyhow::Result;
use nix::unistd::sethostname;

fn hostname() -> Result<String> {
    sethostname("laptop")?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
