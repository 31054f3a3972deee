// refused with: what your function changes of its own process
// refused with: + own NoNewPrivs: 1

use std::fs::File;

use anyhow::Result;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, sethostname};
fn rename(process: Pid, name: &str) -> Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
    setns(namespace, CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    Ok(())
}
