// refused with: what your function leaves on the host
// refused with: - file: /tmp/container

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
    mount(Some("mqueue"), directory, Some("mqueue"), MsFlags::empty(), NONE)?;
    nix::mount::umount2(directory, nix::mount::MntFlags::MNT_DETACH)?;
    std::fs::remove_dir(directory)?;
    make_queue("/inside")
}
fn make_queue(name: &str) -> Result<()> {
    let (flags, mode) = (MQ_OFlag::O_CREAT | MQ_OFlag::O_RDONLY, Mode::S_IRUSR | Mode::S_IWUSR);
    // One message of at most one byte.
    mq_open(name, flags, mode, Some(&MqAttr::new(0, 1, 1, 0)))?;
    Ok(())
}

// Why it works: mount(2) makes a file system of type mqueue for the IPC namespace of its caller, and that is the
// new one by now. A mount namespace alone copies mounts, and a copy of the host's list shows what the host's list
// shows. The queue is there without any list, since mq_open(3) takes no path. The right to mount comes from the
// user namespace that the IPC namespace belongs to.
