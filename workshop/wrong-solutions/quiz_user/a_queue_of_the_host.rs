// refused with: + POSIX message queue

use std::ffi::c_char;
use std::fs;
use std::mem;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid, sethostname};

/// Makes this process root of a host of its own, with the hostname `name` and a loopback that is up.
fn container(name: &str) -> Result<()> {
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNET)?;
    write_own("setgroups", "deny")?;
    write_own("uid_map", &format!("0 {user} 1"))?;
    write_own("gid_map", &format!("0 {group} 1"))?;
    let queue = Errno::result(unsafe {
        libc::mq_open(c"/left".as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600, 0)
    })?;
    nix::unistd::close(queue)?;
    sethostname(name)?;
    loopback_up()?;
    Ok(())
}

/// Writes `text` to a file of this process in /proc.
fn write_own(file: &str, text: &str) -> Result<()> {
    fs::write(format!("/proc/self/{file}"), text)
        .with_context(|| format!("write {text:?} to {file}"))
}

/// Takes the loopback of the network namespace up in which this process is.
fn loopback_up() -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: zero is a value that all of its fields can have.
    let mut argument: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in argument.ifr_name.iter_mut().zip(*b"lo") {
        *to = from as c_char;
    }
    argument.ifr_ifru.ifru_flags = libc::IFF_UP as _;
    let request = libc::SIOCSIFFLAGS as _;
    // SAFETY: the request takes a pointer to this structure.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), request, &mut argument) })
        .context("take the loopback up")?;
    Ok(())
}
