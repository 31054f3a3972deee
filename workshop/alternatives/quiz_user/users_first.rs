// The user namespace by itself, and the others when there is a root.

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
    let maps = [format!("0 {} 1\n", getuid()), format!("0 {} 1\n", getgid())];
    unshare(CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", &maps[1])?;
    fs::write("/proc/self/uid_map", &maps[0])?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: zero is a value that all of its fields can have.
    let mut argument: libc::ifreq = unsafe { mem::zeroed() };
    argument.ifr_name[0] = b'l' as c_char;
    argument.ifr_name[1] = b'o' as c_char;
    argument.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as _;
    // SAFETY: the request takes a pointer to this structure.
    Errno::result(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &mut argument)
    })?;
    sethostname(name)?;
    Ok(())
}
