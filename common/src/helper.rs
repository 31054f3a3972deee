//! Runs somebody else's program that helps with a start.

use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::quote::shown;
use crate::reexec::pidfd_open;
use crate::signals;

/// Runs a program to its end, and returns its exit status. It ends with this process, and when this process gets a
/// signal that ends a container, such as SIGTERM.
///
/// # Errors
///
/// execve(2); such a signal has come.
pub fn run(command: &mut Command) -> Result<ExitStatus> {
    let name = shown(command.get_program());
    let signals = signals::count();
    // SAFETY: prctl(2) is async-signal-safe.
    unsafe { command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)) };
    let mut child = command.spawn().with_context(|| format!("run {name}"))?;
    let process = pidfd_open(Pid::from_raw(child.id() as i32));
    let process = process.with_context(|| format!("wait for {name}"))?;
    let mut end = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut end, signals::PAUSE) {
            Ok(0) | Err(Errno::EINTR) if signals::count() != signals => {
                // Fails only if it has just ended.
                let _ = child.kill();
                let _ = child.wait();
                bail!("a signal has ended the wait for {name}");
            }
            Ok(0) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).with_context(|| format!("wait for {name}")),
            Ok(_) => return child.wait().with_context(|| format!("wait for {name}")),
        }
    }
}
