// The queue may be there before its list.

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

const NONE: Option<&str> = None;

fn container(directory: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    make_queue("/inside")?;
    mount(Some("none"), directory, Some("mqueue"), MsFlags::MS_NOSUID, NONE)?;
    Ok(())
}

fn make_queue(name: &str) -> Result<()> {
    let (flags, mode) = (MQ_OFlag::O_CREAT | MQ_OFlag::O_RDONLY, Mode::S_IRUSR | Mode::S_IWUSR);
    mq_open(name, flags, mode, Some(&MqAttr::new(0, 1, 1, 0)))?;
    Ok(())
}
