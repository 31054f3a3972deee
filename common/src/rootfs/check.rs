//! What a root directory has to be before anybody moves into it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::contents::{BIN, MOUNT_POINTS};
use super::trust::{OVERFLOW_UID, is_trusted, is_writable_by_others};
use crate::diagnosis::{Cause, Known};
use crate::host_facts::in_first_user_namespace;

pub(super) fn checked(rootfs: &Path, is_default: bool) -> Result<PathBuf> {
    let said = format!("root directory {}", rootfs.display());
    let rootfs = rootfs.canonicalize().with_context(|| said.clone())?;
    // Not of what a link leads to. There is none now; one that comes to be is not to be followed.
    let metadata = rootfs.symlink_metadata().with_context(|| said.clone())?;
    ensure!(metadata.is_dir(), "{said}: not a directory");
    ensure!(rootfs.parent().is_some(), "{said}: this is the root directory of the host");
    ensure_safe(&rootfs, &metadata)?;
    // A mount on a link would be one on the host.
    let is_directory =
        |path: &PathBuf| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let mount_points = MOUNT_POINTS.iter().map(|mount_point| rootfs.join(mount_point));
    let missing: Vec<_> = mount_points.filter(|directory| !is_directory(directory)).collect();
    let whole = missing.is_empty() && (!is_default || rootfs.join(BIN).join("sh").exists());
    let not_whole = |what: &str| Known::new(Cause::RootNotWhole, format!("{said}: {what}"));
    if !whole && is_default {
        let new = not_whole("not whole any more; when it is gone, the next start makes a new one");
        bail!(new.remedy(format!("rm -r {}", rootfs.display())));
    }
    let missing: Vec<_> = missing.iter().map(|directory| directory.to_string_lossy()).collect();
    let mkdir =
        || not_whole("a mount point is missing").remedy(format!("mkdir {}", missing.join(" ")));
    ensure!(whole, mkdir());
    ensure_executable(&rootfs)?;
    Ok(rootfs)
}

/// Fails if another user could have put something into `rootfs`, or could put another directory in its
/// place.
fn ensure_safe(rootfs: &Path, metadata: &Metadata) -> Result<()> {
    let said = format!("root directory {}", rootfs.display());
    let owner = metadata.uid();
    let belongs = || {
        let said = format!("{said}: belongs to another user (id {owner})");
        Known::new(Cause::RootOfAnotherUser, said).remedy(copy_and_use(rootfs))
    };
    ensure!(is_trusted(owner), belongs());
    let writable = || {
        let said = format!("{said}: writable by other users");
        Known::new(Cause::RootWritable, said).remedy(format!("chmod go-w {}", rootfs.display()))
    };
    ensure!(!is_writable_by_others(metadata), writable());
    for parent in rootfs.ancestors().skip(1) {
        let metadata =
            parent.symlink_metadata().with_context(|| format!("{said}: {}", parent.display()))?;
        // In a user namespace root's own directories, such as /, look like those of any other user: of them
        // nothing can be told.
        let owner = metadata.uid();
        let trusted = is_trusted(owner) || (owner == OVERFLOW_UID && !in_first_user_namespace());
        let sticky = metadata.mode() & 0o1000 != 0;
        let said = format!("{said}: another user can rename it in {}", parent.display());
        let owned = || Known::new(Cause::RootOfAnotherUser, &said).remedy(copy_and_use(rootfs));
        ensure!(metadata.is_dir() && trusted, owned());
        let writable = || {
            Known::new(Cause::RootWritable, &said)
                .remedy(format!("chmod go-w {}", parent.display()))
        };
        ensure!(sticky || !is_writable_by_others(&metadata), writable());
    }
    Ok(())
}

/// Fails if nothing can be executed in `rootfs`.
pub(super) fn ensure_executable(rootfs: &Path) -> Result<()> {
    let said = format!("root directory {}", rootfs.display());
    let flags = statvfs(rootfs).with_context(|| said.clone())?.flags();
    let noexec = || {
        let said =
            format!("{said}: nothing can be executed in it: its file system is mounted noexec");
        Known::new(Cause::RootNoexec, said).remedy(MAKE_AND_USE)
    };
    ensure!(!flags.contains(FsFlags::ST_NOEXEC), noexec());
    Ok(())
}

/// Makes a root directory where it can be used, and uses it.
pub(super) const MAKE_AND_USE: &str =
    "cargo doctor root ~/busybox && cargo run -p {package} -- --rootfs ~/busybox";

/// A command that copies a root directory to where it can be used, and uses it.
fn copy_and_use(rootfs: &Path) -> String {
    let rootfs = rootfs.display();
    format!("cp -r {rootfs} ~/busybox && cargo run -p {{package}} -- --rootfs ~/busybox")
}
