// refused with: the UTS namespace of the mode container

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
            // SAFETY: it takes no pointer.
            let pidfd = unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, other.as_raw(), 0) };
            // SAFETY: the kernel has just made this descriptor for us.
            let pidfd = unsafe {
                <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(
                    nix::errno::Errno::result(pidfd)? as i32,
                )
            };
            sched::setns(
                pidfd,
                CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC,
            )?;
        }
        Mode::Bridge(lay) => {
            sched::unshare(CloneFlags::CLONE_NEWNET)?;
            lay(Pid::this())?;
        }
    }
    Ok(())
}
