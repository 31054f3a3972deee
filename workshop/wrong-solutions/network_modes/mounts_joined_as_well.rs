// refused with: a namespace that is none of your function's business | namespace of the mode container

use std::fs;

use anyhow::Result;
use nix::sched::{self, CloneFlags};
use nix::unistd::Pid;

enum Mode<'a> {
    Host,
    None,
    Container(Pid),
    Bridge(&'a dyn Fn(Pid) -> Result<()>),
}

fn enter(mode: Mode) -> Result<()> {
    match mode {
        Mode::Host => {}
        Mode::None => sched::unshare(CloneFlags::CLONE_NEWNET)?,
        Mode::Container(other) => {
            let namespace = fs::File::open(format!("/proc/{other}/ns/net"))?;
            sched::setns(namespace, CloneFlags::CLONE_NEWNET)?;
            sched::unshare(CloneFlags::CLONE_NEWIPC)?;
        }
        Mode::Bridge(lay) => {
            sched::unshare(CloneFlags::CLONE_NEWNET)?;
            lay(Pid::this())?;
        }
    }
    Ok(())
}
