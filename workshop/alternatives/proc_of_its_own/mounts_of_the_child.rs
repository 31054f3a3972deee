// The mounts are the child's alone, and its parent keeps those of the host.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;

fn container() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID)?;
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    // SAFETY: this process has one thread, so `set_up` may do there what it likes.
    unsafe { sleep.pre_exec(set_up) };
    sleep.spawn()?;
    Ok(())
}

fn set_up() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    Ok(mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE)?)
}
