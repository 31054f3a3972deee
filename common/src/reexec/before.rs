//! What is looked at before a start: how a caller can have left this process, so that no container of it would be right.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Result, ensure};
use nix::sys::stat::{SFlag, fstat};

use crate::diagnosis::{Cause, Known};

/// Fails if the next child of this process would be in another PID namespace, as after `unshare --pid` without `--fork`. The
/// first one would be its process 1, with whose end all others there end, and no more can be made: pid_namespaces(7). And
/// clone(2) refuses one more PID namespace (EINVAL).
///
/// # Errors
///
/// [`Cause::ChildrenElsewhere`].
pub(super) fn ensure_children_here() -> Result<()> {
    // Without a /proc of this PID namespace there is nothing to compare. Others say so.
    let Ok(own) = fs::read_link("/proc/self/ns/pid") else { return Ok(()) };
    let file = "/proc/self/ns/pid_for_children";
    // It leads nowhere (ENOENT) while the namespace has no process: pid_namespaces(7).
    let of_children = fs::read_link(file).ok();
    let is_known = of_children.is_some() || fs::symlink_metadata(file).is_ok();
    ensure!(
        !is_known || of_children == Some(own),
        Known::new(
            Cause::ChildrenElsewhere,
            "the next process that is started here would be the first one of another PID namespace"
        )
    );
    Ok(())
}

/// Fails if standard input, output or error is a directory. A container would have it from outside of its root directory, and
/// could leave that by it: `/proc/self/fd/0/..`, CVE-2024-21626.
///
/// # Errors
///
/// [`Cause::StandardDirectory`].
pub(super) fn ensure_no_directory() -> Result<()> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    for (descriptor, name, instead) in [
        (stdin.as_fd(), "input", "</dev/null"),
        (stdout.as_fd(), "output", ">/dev/null"),
        (stderr.as_fd(), "error", "2>/dev/null"),
    ] {
        let said = format!("standard {name} is a directory");
        let known = Known::new(Cause::StandardDirectory, said);
        let known = known.remedy(format!("cargo {{run}} -p {{package}} {instead}"));
        ensure!(!is_directory(descriptor), known);
    }
    Ok(())
}

/// Whether a descriptor is one of a directory, also one that is open for its path alone: O_PATH in open(2).
fn is_directory(descriptor: BorrowedFd) -> bool {
    fstat(descriptor).is_ok_and(|status| {
        SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
    })
}
