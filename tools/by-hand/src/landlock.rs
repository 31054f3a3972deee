//! Rights that a process gives up by itself: landlock(7).

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use anyhow::{Context, Result};
use common::quote::shown;
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;

/// What is handled, of linux/landlock.h: to write to a file, and to make and remove entries of a directory, of each
/// kind. All of it is in the first version, of Linux 5.13.
const WRITE: u64 = 1 << 1 | 0b1_1111_1111 << 4;

/// linux/landlock.h: LANDLOCK_RULE_PATH_BENEATH.
const PATH_BENEATH: libc::c_int = 1;

/// linux/landlock.h: landlock_ruleset_attr, in its first version.
#[repr(C)]
struct Ruleset {
    handled_access_fs: u64,
}

/// linux/landlock.h: landlock_path_beneath_attr.
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: RawFd,
}

/// Gives up the right to write anywhere but below a directory, for this process and all that come from it.
///
/// # Errors
///
/// ENOSYS and EOPNOTSUPP where the kernel has no Landlock, or it is switched off.
pub fn write_below(directory: &Path) -> Result<()> {
    let opened = File::open(directory).with_context(|| format!("open {}", shown(directory)))?;
    let ruleset = Ruleset { handled_access_fs: WRITE };
    // SAFETY: the kernel reads as many bytes as it is told, and they are there.
    let ruleset = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const ruleset,
            size_of::<Ruleset>(),
            0,
        )
    });
    let ruleset = ruleset.context("make a set of Landlock's rules")?;
    // SAFETY: the number is new, and nobody else's.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as RawFd) };
    let rule = PathBeneath { allowed_access: WRITE, parent_fd: opened.as_raw_fd() };
    // SAFETY: as above, of the size that this kind of rule has.
    let added = Errno::result(unsafe {
        let number = ruleset.as_raw_fd();
        libc::syscall(libc::SYS_landlock_add_rule, number, PATH_BENEATH, &raw const rule, 0)
    });
    added.with_context(|| format!("add a rule for {}", shown(directory)))?;
    prctl::set_no_new_privs().context("set no_new_privs")?;
    // SAFETY: the call takes no pointers.
    let restricted = Errno::result(unsafe {
        libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0)
    });
    restricted.map(drop).context("restrict this process")
}
