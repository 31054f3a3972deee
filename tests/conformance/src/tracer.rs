//! A program that traces process 1 of its container, and leaves it stopped: ptrace(2).

use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// The command for the container's shell, and the name that the program knows itself by.
pub(super) const PROGRAM: &str = "tracer";

pub(super) fn main<A>(_: &A) -> Result<ExitCode> {
    let first = Pid::from_raw(1);
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: this request takes no pointers, and only stops the other process.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_ATTACH, first.as_raw(), none, none) })
        .context("trace process 1")?;
    waitpid(first, None).context("wait for process 1")?;
    println!("ready");
    loop {
        thread::park();
    }
}
