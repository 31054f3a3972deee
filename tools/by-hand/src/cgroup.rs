//! A child that is born in a cgroup: clone3(2).

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use common::check::check;
use common::quote::shown;
use nix::errno::Errno;
use nix::libc::{self, clone_args};
use nix::unistd::Pid;

use crate::process;

/// CLONE_INTO_CGROUP of linux/sched.h, which the crate libc has with too few bits.
const INTO_CGROUP: u64 = 1 << 33;

/// Runs `life` in a child that is in a cgroup of version 2 from its first instruction on: CLONE_INTO_CGROUP, Linux 5.7.
///
/// # Errors
///
/// EBADF where `cgroup` is no cgroup, EACCES where the caller may not move a process there, EBUSY where the cgroup
/// hands controllers down.
pub fn born_in(cgroup: &Path, life: impl FnOnce() -> Result<ExitCode>) -> Result<ExitCode> {
    let opened = File::open(cgroup).with_context(|| format!("open {}", shown(cgroup)))?;
    // SAFETY: numbers, for all of which 0 is a value.
    let mut arguments: clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = INTO_CGROUP;
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.cgroup = opened.as_raw_fd() as u64;
    // SAFETY: the kernel reads as many bytes as it is told. Without CLONE_VM the child has a copy of all memory, as
    // after fork(2), and this process has one thread.
    let child = Errno::result(unsafe {
        libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<clone_args>())
    });
    match child.with_context(|| format!("clone a child into {}", shown(cgroup)))? {
        0 => process::exit(check(life())),
        child => process::status_of(Pid::from_raw(child as i32)),
    }
}
