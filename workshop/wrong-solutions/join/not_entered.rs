// refused with: the name of the host
// refused with: the kernel shows  kitchen

use std::fs::File;

use anyhow::Result;
use nix::unistd::{Pid, sethostname};

fn rename(process: Pid, name: &str) -> Result<()> {
    let _namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    sethostname(name)?;
    Ok(())
}
