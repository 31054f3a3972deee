// refused with: has returned an error

use std::ffi::c_char;
use std::fs;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid, sethostname};

fn container(name: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNET)?;
    let (user, group) = (getuid(), getgid());
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    sethostname(name)?;
    loopback_up()?;
    Ok(())
}

fn loopback_up() -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: zero is a value that all of its fields can have.
    let mut argument: libc::ifreq = unsafe { mem::zeroed() };
    argument.ifr_name[0] = b'l' as c_char;
    argument.ifr_name[1] = b'o' as c_char;
    argument.ifr_ifru.ifru_flags = libc::IFF_UP as _;
    // SAFETY: the request takes a pointer to this structure.
    Errno::result(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &mut argument)
    })?;
    Ok(())
}
