// refused with: what the container has listed in /tmp/elsewhere

use std::path::Path;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

const NONE: Option<&str> = None;

fn container(_: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    mount(Some("mqueue"), "/tmp/container", Some("mqueue"), MsFlags::empty(), NONE)?;
    make_queue("/inside")
}

fn make_queue(name: &str) -> Result<()> {
    let (flags, mode) = (MQ_OFlag::O_CREAT | MQ_OFlag::O_RDONLY, Mode::S_IRUSR | Mode::S_IWUSR);
    mq_open(name, flags, mode, Some(&MqAttr::new(0, 1, 1, 0)))?;
    Ok(())
}
