// refused with: the mount namespace of who has entered

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};

fn rename(process: Pid, name: &str) -> Result<()> {
    for kind in ["uts", "mnt"] {
        setns(File::open(format!("/proc/{process}/ns/{kind}"))?, CloneFlags::empty())?;
    }
    sethostname(name)?;
    Ok(())
}
