// refused with: the processes in the container's /proc
// refused with: the kernel shows  1 outer

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;

fn container() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    unsafe { sleep.pre_exec(set_up) };
    sleep.spawn()?;
    Ok(())
}

fn set_up() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWPID)?;
    Ok(mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE)?)
}
