//! What a descriptor of a stopped process refers to.

use std::fs;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::statfs::{FsType, statfs};
use nix::unistd::Pid;

/// Returns the path of the file that a descriptor refers to, or what proc_pid_fd(5) has for others, as `pipe:[4711]`.
pub fn path(task: Pid, descriptor: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{task}/fd/{descriptor}")).ok()
}

/// Whether a descriptor refers to a mount that is at no place: not yet, or not any more. proc_pid_fdinfo(5).
pub fn is_detached(task: Pid, descriptor: i32) -> bool {
    let read =
        |file: String| fs::read_to_string(format!("/proc/{task}/{file}")).unwrap_or_default();
    let info = read(format!("fdinfo/{descriptor}"));
    let mount = info.lines().find_map(|line| line.strip_prefix("mnt_id:")).map(str::trim);
    let all = read("mountinfo".into());
    // Of those below another root the task sees nothing: only what has no path is meant here.
    mount.is_some_and(|mount| !all.lines().any(|line| line.split(' ').next() == Some(mount)))
}

/// The file systems that a container is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// proc(5)
    Proc,
    /// cgroups(7), version 1 or 2
    Cgroup,
    /// any other
    Other,
}

/// Returns the kind of file system that `path` is on: none where it can't be reached.
pub fn file_system(path: &Path) -> Option<FileSystem> {
    /// CGROUP2_SUPER_MAGIC and CGROUP_SUPER_MAGIC of linux/magic.h.
    const CGROUPS: [FsType; 2] = [FsType(0x6367_7270), FsType(0x0027_e0eb)];
    const PROC: FsType = FsType(0x9fa0);
    Some(match statfs(path).ok()?.filesystem_type() {
        PROC => FileSystem::Proc,
        kind if CGROUPS.contains(&kind) => FileSystem::Cgroup,
        _ => FileSystem::Other,
    })
}

/// Returns a way for this program to `path`, which a call of `task` takes relative to the directory `from`.
pub fn reach(task: Pid, from: i32, path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let relative = Path::new(std::ffi::OsStr::from_bytes(path));
    match relative.strip_prefix("/") {
        Ok(relative) => Path::new(&format!("/proc/{task}/root")).join(relative),
        Err(_) if from == libc::AT_FDCWD => Path::new(&format!("/proc/{task}/cwd")).join(relative),
        Err(_) => Path::new(&format!("/proc/{task}/fd/{from}")).join(relative),
    }
}

/// Returns a copy of a netlink socket that configures the network (rtnetlink(7)), and none of what is anything else.
pub fn route_socket(process: Pid, task: Pid, descriptor: i32) -> Option<OwnedFd> {
    if !path(task, descriptor)?.to_str()?.starts_with("socket:") {
        return None;
    }
    let socket = copy(process, descriptor).ok()?;
    let is = |option, value| option_of(&socket, option) == Ok(value);
    (is(libc::SO_DOMAIN, libc::AF_NETLINK) && is(libc::SO_PROTOCOL, libc::NETLINK_ROUTE))
        .then_some(socket)
}

/// Copies a descriptor of another process to this one: pidfd_getfd(2), Linux 5.6.
fn copy(process: Pid, descriptor: i32) -> nix::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) and pidfd_getfd(2) take numbers only, and return a new descriptor or -1.
    unsafe {
        let opened = libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0);
        let pidfd = OwnedFd::from_raw_fd(Errno::result(opened)? as i32);
        let copied = libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), descriptor, 0);
        Ok(OwnedFd::from_raw_fd(Errno::result(copied)? as i32))
    }
}

/// Returns an option of a socket that is a number: socket(7).
fn option_of(socket: &OwnedFd, option: i32) -> nix::Result<i32> {
    let mut value = 0i32;
    let mut length = mem::size_of::<i32>() as libc::socklen_t;
    // SAFETY: the two pointers are to this function's variables, and the length is that of the value.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw mut value).cast(),
            &mut length,
        )
    };
    Errno::result(result).map(|_| value)
}

/// Returns the name of the network device with this index, in the network namespace of `socket`: netdevice(7).
pub fn device_name(socket: &OwnedFd, index: u32) -> Option<String> {
    // SAFETY: an ifreq of zeros is a valid one, and the kernel writes no more than the name to it.
    let name = unsafe {
        let mut request: libc::ifreq = mem::zeroed();
        request.ifr_ifru.ifru_ifindex = index as i32;
        Errno::result(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFNAME as _, &mut request))
            .ok()?;
        request.ifr_name
    };
    let name: Vec<u8> = name.iter().map(|c| *c as u8).take_while(|byte| *byte != 0).collect();
    String::from_utf8(name).ok()
}

/// Whether a socket belongs to another network namespace than the task that uses it: it belongs to the one that it was
/// opened in. SIOCGSKNS of linux/sockios.h, Linux 4.9.
pub fn is_of_another_network(socket: &OwnedFd, task: Pid) -> bool {
    const SIOCGSKNS: libc::c_ulong = 0x894c;
    // SAFETY: this request takes no argument, and returns a new descriptor or -1.
    let opened = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS as _) };
    let Ok(opened) = Errno::result(opened) else { return false };
    // SAFETY: the kernel has returned it, and nobody else has it.
    let opened = unsafe { OwnedFd::from_raw_fd(opened) };
    let own = fs::metadata(format!("/proc/{task}/ns/net")).map(|own| own.ino());
    let other = fs::metadata(format!("/proc/self/fd/{}", opened.as_raw_fd())).map(|own| own.ino());
    matches!((own, other), (Ok(own), Ok(other)) if own != other)
}
