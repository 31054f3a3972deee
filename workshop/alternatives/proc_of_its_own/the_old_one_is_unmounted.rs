use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Starts sleep(1) as process 1 of a container, with a /proc that shows the container's processes.
fn container() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    // SAFETY: this process has one thread, so `set_up` may do there what it likes.
    unsafe { sleep.pre_exec(set_up) };
    sleep.spawn()?;
    Ok(())
}

/// Runs in the child, just before it executes sleep(1). Where it fails, so does `spawn`.
fn set_up() -> io::Result<()> {
    nix::mount::umount2("/proc", nix::mount::MntFlags::MNT_DETACH)?;
    Ok(mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE)?)
}
