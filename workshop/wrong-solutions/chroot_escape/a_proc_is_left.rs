// refused with: what your function leaves on the host
// refused with: + mount:

use std::fs::{self, File};

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};

fn escape() -> Result<()> {
    fs::create_dir("proc")?;
    mount(Some("proc"), "proc", Some("proc"), MsFlags::empty(), None::<&str>)?;
    setns(File::open("proc/self/ns/mnt")?, CloneFlags::CLONE_NEWNS)?;
    Ok(())
}
