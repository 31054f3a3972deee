// refused with: what your function leaves on the host
// refused with: + process:

use std::fs::File;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::Pid;
const NONE: Option<&str> = None;
fn join(pause: Pid) -> Result<()> {
    for (file, kind) in [
        ("net", CloneFlags::CLONE_NEWNET),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("ipc", CloneFlags::CLONE_NEWIPC),
    ] {
        setns(File::open(format!("/proc/{pause}/ns/{file}"))?, kind)?;
    }
    nix::sys::signal::kill(pause, nix::sys::signal::Signal::SIGKILL)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    Ok(())
}
