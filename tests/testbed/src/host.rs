//! A throw-away host: namespaces that are dressed up as a machine, with mounts shared as systemd(1) shares them and
//! an empty /tmp. A program that breaks its host breaks this one.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use common::quote::unescaped;
use common::reexec::{self, IdMap};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::sys::utsname::uname;
use nix::unistd::{Pid, sethostname};
use nix::{NixPath, libc};

/// The namespaces that play a host. An ordinary user needs a user namespace as well.
pub const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWPID);

/// The user that plays an ordinary one when root runs the tests.
pub const ORDINARY: u32 = 1000;

/// The name of the host.
pub const HOSTNAME: &str = "outer";

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Returns the hostname that this process sees.
pub fn hostname() -> String {
    let name = uname().expect("uname has no way to fail");
    name.nodename().to_string_lossy().into_owned()
}

/// Maps one id on another, in a user namespace.
pub fn one_id(container_id: u32, host_id: u32) -> [IdMap; 1] {
    [IdMap::one(container_id, host_id)]
}

/// Dresses up the namespaces that this process is process 1 of: a hostname, a /tmp and a /proc of their own, and mounts
/// that are shared.
///
/// - `name`: the hostname.
/// - `cover`: what else is to be covered or protected, while the machine's own /tmp and /proc are still there.
///
/// # Errors
///
/// sethostname(2), mount(2), and those of `cover`.
pub fn dress_up(name: &str, cover: impl FnOnce() -> Result<()>) -> Result<()> {
    sethostname(name).context("set the hostname")?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .context("make all mounts private")?;
    cover()?;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), "/tmp", Some("tmpfs"), safe, Some("mode=1777")).context("mount /tmp")?;
    let safe = safe | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), safe, NONE).context("mount /proc")?;
    share_all_mounts()
}

/// Makes the machine's files read-only in this mount namespace, for whoever is root in it: all mounts but those below /proc
/// and /sys. (Where one of these two is read-only, no other one may be mounted that is not: mount_too_revealing() in the
/// kernel.) Linux before 5.12 leaves them as they are.
///
/// # Errors
///
/// mount_setattr(2).
pub fn protect_files() -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("read the mounts")?;
    for target in mounts.lines().filter_map(|line| line.split(' ').nth(4)) {
        let path = unescaped(target);
        if !["/proc", "/sys"].iter().any(|kernel| path.starts_with(kernel)) {
            match set_read_only(&path) {
                // It is covered by another one, or below a directory that this user may not enter.
                Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::EINVAL) => {}
                Err(Errno::ENOSYS) => return Ok(()),
                Err(error) => Err(error).with_context(|| format!("protect {}", path.display()))?,
            }
        }
    }
    Ok(())
}

fn set_read_only(mount_point: &Path) -> nix::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    mount_point.with_nix_path(|path| {
        // SAFETY: the kernel reads a string and a structure of the size that it is told.
        Errno::result(unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                libc::AT_FDCWD,
                path.as_ptr(),
                0,
                &raw const attributes,
                size_of_val(&attributes),
            )
        })
        .map(drop)
    })?
}

/// Makes every mount in this mount namespace shared, as systemd(1) does.
///
/// # Errors
///
/// mount(2).
pub fn share_all_mounts() -> Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SHARED, NONE).context("share all mounts")
}

/// Is process 1 of a PID namespace: waits for whatever ends there until `child` does, and returns its exit status.
///
/// # Errors
///
/// wait(2).
pub fn wait_as_init(child: Pid) -> Result<ExitCode> {
    loop {
        let (process, status) = reexec::wait_for(None).context("wait for a process")?;
        if process == child {
            return Ok(status);
        }
    }
}
