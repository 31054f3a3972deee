// refused with: the cgroup of the child

use std::fs::File;
use std::mem;
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::Pid;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
fn start_in(cgroup: &File, life: impl FnOnce()) -> Result<Pid> {
    // SAFETY: zero is a value that all of its fields can have.
    let mut arguments: libc::clone_args = unsafe { mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.cgroup = cgroup.as_raw_fd() as u64;
    let size = mem::size_of_val(&arguments);
    // SAFETY: this process has one thread. Without a stack of its own the child goes on here, as after fork(2).
    let child = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) };
    if Errno::result(child)? == 0 {
        life();
        std::process::exit(0)
    }
    Ok(Pid::from_raw(-1))
}
