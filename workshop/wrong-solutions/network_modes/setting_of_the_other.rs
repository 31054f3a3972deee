// refused with: what your function leaves in a container
// refused with: setting

use std::fs;

use anyhow::Result;
use nix::sched::{self, CloneFlags};
use nix::unistd::Pid;

/// A network for a container.
enum Mode<'a> {
    /// The host's.
    Host,
    /// A new one, with nothing but a loopback.
    None,
    /// That of this process.
    Container(Pid),
    /// A new one with a cable, which this function lays, to a process.
    Bridge(&'a dyn Fn(Pid) -> Result<()>),
}

/// Moves this process into the network of a mode.
fn enter(mode: Mode) -> Result<()> {
    match mode {
        Mode::Host => {}
        Mode::None => sched::unshare(CloneFlags::CLONE_NEWNET)?,
        Mode::Container(other) => {
            let namespace = fs::File::open(format!("/proc/{other}/ns/net"))?;
            sched::setns(namespace, CloneFlags::CLONE_NEWNET)?;
            fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1")?;
        }
        Mode::Bridge(lay) => {
            sched::unshare(CloneFlags::CLONE_NEWNET)?;
            lay(Pid::this())?;
        }
    }
    Ok(())
}
