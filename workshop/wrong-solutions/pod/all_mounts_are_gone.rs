// refused with: what is mounted in the container
// refused with: - mounted inside: /tmp

use std::fs::File;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::Pid;

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Moves this process into the network, UTS and IPC namespaces of `pause`, and into a mount namespace of its own.
fn join(pause: Pid) -> Result<()> {
    for (file, kind) in [
        ("net", CloneFlags::CLONE_NEWNET),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("ipc", CloneFlags::CLONE_NEWIPC),
    ] {
        setns(File::open(format!("/proc/{pause}/ns/{file}"))?, kind)?;
    }
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    nix::mount::umount2("/tmp", nix::mount::MntFlags::MNT_DETACH)?;
    Ok(())
}
