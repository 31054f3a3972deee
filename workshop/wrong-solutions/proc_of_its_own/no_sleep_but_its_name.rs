// refused with: the command line of the container's process 1

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
const NONE: Option<&str> = None;
fn container() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let (ready, tell) = nix::unistd::pipe()?;
    if let nix::unistd::ForkResult::Child = unsafe { nix::unistd::fork() }? {
        set_up()?;
        nix::sys::prctl::set_name(c"sleep")?;
        nix::unistd::write(&tell, b"!")?;
        nix::unistd::pause();
    }
    nix::unistd::read(&ready, &mut [0])?;
    return Ok(());
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    // SAFETY: this process has one thread, so `set_up` may do there what it likes.
    unsafe { sleep.pre_exec(set_up) };
    sleep.spawn()?;
    Ok(())
}
fn set_up() -> io::Result<()> {
    Ok(mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE)?)
}
