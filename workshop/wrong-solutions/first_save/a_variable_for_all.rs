// refused with: what your function changes of its own process
// refused with: + own variable

use std::fs;

use anyhow::Result;
fn hostname() -> Result<String> {
    unsafe { std::env::set_var("HOSTNAME", "laptop") };
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
