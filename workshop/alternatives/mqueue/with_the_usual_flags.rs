use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Gives this process IPC and mounts of its own, and a queue /inside, which is seen as a file in `directory`.
fn container(directory: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(
        Some("mqueue"),
        directory,
        Some("mqueue"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        NONE,
    )?;
    make_queue("/inside")
}

/// Makes a queue: mq_open(3).
fn make_queue(name: &str) -> Result<()> {
    let (flags, mode) = (MQ_OFlag::O_CREAT | MQ_OFlag::O_RDONLY, Mode::S_IRUSR | Mode::S_IWUSR);
    // One message of at most one byte.
    mq_open(name, flags, mode, Some(&MqAttr::new(0, 1, 1, 0)))?;
    Ok(())
}
