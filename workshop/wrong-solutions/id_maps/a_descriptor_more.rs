// refused with: what the program sleep has
// refused with: own descriptor

use std::ffi::CStr;
use std::fs;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::unistd::{self, Pid, execvp, pipe2, read};

/// Starts a program as root of a user namespace of its own.
fn start(program: &[&CStr]) -> Result<Pid> {
    let (hold, go) = pipe2(OFlag::O_CLOEXEC)?;
    let (executed, executing) = pipe2(OFlag::O_CLOEXEC)?;
    let copy = go.as_raw_fd();
    unsafe { libc::fcntl(hold.as_raw_fd(), libc::F_SETFD, 0) };
    let park_and_execute = || {
        // Parked until the file ends, since then the parent has closed `go`.
        let parked = unistd::close(copy).and_then(|()| read(&hold, &mut [0]));
        parked.and_then(|_| execvp(program[0], program)).map_or(127, |_| 0)
    };
    let (flags, signal) = (CloneFlags::CLONE_NEWUSER, Some(libc::SIGCHLD));
    let mut stack = vec![0; 64 * 1024];
    // SAFETY: this process has one thread, and the child a copy of its memory.
    let child = unsafe { clone(Box::new(park_and_execute), &mut stack, flags, signal) }?;
    write_proc(child, "setgroups", "deny")?;
    write_proc(child, "gid_map", &format!("0 {} 1", unistd::getgid()))?;
    write_proc(child, "uid_map", &format!("0 {} 1", unistd::getuid()))?;
    drop(go);
    // This file ends with execve(2), which closes `executing`.
    drop(executing);
    read(&executed, &mut [0])?;
    Ok(child)
}

/// Writes `text` to /proc/`process`/`file`.
fn write_proc(process: Pid, file: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{process}/{file}");
    fs::write(path, text).with_context(|| format!("write {text:?} to {file}"))
}
