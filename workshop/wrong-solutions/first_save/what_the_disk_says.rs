// refused with: what your function returns | has returned an error

use std::fs;

use anyhow::Result;

fn hostname() -> Result<String> {
    Ok(fs::read_to_string("/etc/hostname")?.trim_end().into())
}
