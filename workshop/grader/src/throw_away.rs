//! The throw-away host that a test gets, with files that nothing in it can write to.
//!
//! Root of a user namespace can take the flag "read-only" from a mount that it may change. From one that its
//! namespace has inherited from another user namespace it cannot: mount_namespaces(7), "Restrictions". So the files
//! are protected in a first pair of namespaces, user and mount, and the host is a second one in it.

use std::ffi::CString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, getegid, geteuid, getpid};
use testbed::cgroup;
use testbed::host::{self, HOSTNAME, NAMESPACES, one_id};

use crate::child::Child;
use crate::host::NEEDS;
use crate::queues;

const NONE: Option<&str> = None;

/// Makes the host, and runs `test` on it: as its root, or, with `user`, as an ordinary user.
///
/// - `cgroup`: the directory that can be written to, for a test that is about cgroups.
///
/// # Errors
///
/// What the kernel says to one of the namespaces or mounts; those of `test`.
pub fn run(
    cgroup: Option<&Path>,
    user: bool,
    test: impl FnOnce() -> Result<ExitCode>,
) -> Result<ExitCode> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    enter(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS, (0, uid), (0, gid))?;
    protect_files(cgroup)?;
    enter(CloneFlags::CLONE_NEWUSER | NAMESPACES, (0, 0), (0, 0))?;
    // Process 1 of the new PID namespace.
    let init = Child::fork(c"outer", || {
        host::dress_up(HOSTNAME, || Ok(()))?;
        queues::open();
        chdir("/").context("chdir")?;
        let test = Child::fork(c"test", || {
            if user {
                // In the host's user namespace the one user is root. Here they get their own id back.
                enter(CloneFlags::CLONE_NEWUSER, (uid, 0), (gid, 0))?;
                drop_capabilities().context("give up the capabilities of who has made it")?;
            }
            test()
        })?;
        let status = host::wait_as_init(test.pid());
        // This process is the last one to have a say: with it all of the namespace ends.
        cgroup.into_iter().for_each(cgroup::thaw);
        status
    })?;
    init.wait()
}

/// Enters new namespaces, a user namespace among them, with one user and one group. Each is an id inside, and one
/// outside.
fn enter(flags: CloneFlags, uid: (u32, u32), gid: (u32, u32)) -> Result<()> {
    unshare(flags).context(common::reexec::Step::Clone(flags))?;
    common::reexec::write_id_maps(getpid(), &one_id(uid.0, uid.1), &one_id(gid.0, gid.1))
}

/// Leaves this process no capability, as an ordinary user has none: capset(2).
fn drop_capabilities() -> Result<()> {
    /// The version of the structures for 64 capabilities: linux/capability.h.
    const VERSION_3: u32 = 0x2008_0522;
    let header: [u32; 2] = [VERSION_3, 0];
    let sets = [0u32; 6];
    // SAFETY: the kernel reads a header, and two times three sets of 32 bits.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const sets) })?;
    Ok(())
}

/// Makes all mounts read-only, but for the cgroup, and for /proc: where that is read-only, no other one may be mounted
/// that is not (mount_too_revealing() in the kernel).
fn protect_files(cgroup: Option<&Path>) -> Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .context("make all mounts private")?;
    set_read_only(Path::new("/"), true).context("make all files read-only")?;
    set_read_only(Path::new("/proc"), false).context("make /proc writable")?;
    let Some(cgroup) = cgroup else { return Ok(()) };
    mount(Some(cgroup), cgroup, NONE, MsFlags::MS_BIND, NONE).context("bind the cgroup")?;
    set_read_only(cgroup, false).context("make the cgroup writable")
}

/// Sets or clears the flag on this mount and all below: mount_setattr(2).
fn set_read_only(mount_point: &Path, read_only: bool) -> Result<()> {
    let path = CString::new(mount_point.as_os_str().as_encoded_bytes())?;
    let (set, clear) =
        if read_only { (libc::MOUNT_ATTR_RDONLY, 0) } else { (0, libc::MOUNT_ATTR_RDONLY) };
    let attributes =
        libc::mount_attr { attr_set: set, attr_clr: clear, propagation: 0, userns_fd: 0 };
    // SAFETY: the kernel reads a string and a structure of the size that it is told.
    let result = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of_val(&attributes),
        )
    });
    match result {
        Err(Errno::ENOSYS) => Err(Errno::ENOSYS).context(format!("{NEEDS} Linux 5.12 or newer")),
        result => Ok(result.map(drop)?),
    }
}
