//! Who has mounted the file system that a file is on. An ordinary user's own file system says whatever
//! that user wants: that root owns its files, or one thing to the check and another to execve(2).

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::sys::statfs::{FUSE_SUPER_MAGIC, fstatfs};
use nix::unistd::{User, geteuid};

use super::ids::outer_uid;
use super::walk::Place;
use crate::diagnosis::{Cause, Known};
use crate::quote::unescaped;

/// Returns the id of the mount that a file is on, which asks nothing of its file system: proc_pid_fdinfo(5). None where no /proc
/// tells.
pub(super) fn id_of(file: &File) -> Option<String> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    Some(line.trim().into())
}

/// Fails where a file, open with O_PATH, is on a FUSE file system of another user's. That answers what its owner wants, or
/// nothing, and whoever asks it waits for ever: neither fstat(2) nor fstatfs(2) has been called yet.
///
/// - `mount`: its [`id_of`].
///
/// # Errors
///
/// [`Cause::RootOfAnotherUser`]; nobody tells who has mounted it.
pub(super) fn ensure_answers(file: &File, mount: Option<&str>) -> Result<()> {
    let Some(id) = mount else {
        let system = fstatfs(file).map_err(io::Error::from)?.filesystem_type();
        ensure!(system != FUSE_SUPER_MAGIC, no_proc());
        return Ok(());
    };
    let mountinfo = read_mountinfo()?;
    let mount = mountinfo.lines().find_map(|line| Mount::of(line, id));
    let user = mount.and_then(|mount| mount.fuse_user()).filter(|user| !is_ours(*user));
    let said = |user| format!("belongs to another user, who has mounted it (id {user})");
    user.map_or(Ok(()), |user| Err(Known::new(Cause::RootOfAnotherUser, said(user)).into()))
}

/// Returns the ordinary user, other than the caller, for whom mount(8) has mounted what `place` is on.
///
/// # Errors
///
/// `/proc/self` can't be read.
pub(super) fn another_user(place: &Place) -> Result<Option<String>> {
    // What mount(8) leaves of the option `user` of fstab(5).
    let utab = fs::read_to_string("/run/mount/utab").unwrap_or_default();
    // Most machines have none, and which mount it is need not be looked for.
    if !utab.contains("user=") {
        return Ok(None);
    }
    let id = place.mount.as_deref().ok_or_else(no_proc)?;
    let mountinfo = read_mountinfo()?;
    // In another namespace's /proc, or after a chroot(2), a mount may not be listed.
    let Some(mount) = mountinfo.lines().find_map(|line| Mount::of(line, id)) else {
        return Ok(None);
    };
    let user = utab.lines().find_map(|line| user_in(line, mount.point));
    Ok(user
        .filter(|user| *user != "root" && !is_me(user))
        .map(|user| user.escape_debug().to_string()))
}

/// Returns the mount points at a path without symbolic links, and below it: those that are on others first.
///
/// # Errors
///
/// `/proc/self` can't be read.
pub(super) fn points_in(path: &Path) -> Result<Vec<PathBuf>> {
    let mountinfo = read_mountinfo()?;
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    let mut points: Vec<_> = points.filter(|point| point.starts_with(path)).collect();
    points.reverse();
    points.sort_by_key(|point| Reverse(point.components().count()));
    Ok(points)
}

fn read_mountinfo() -> Result<String> {
    let file = "/proc/self/mountinfo";
    fs::read_to_string(file).with_context(|| format!("read {file}")).map_err(|error| {
        if Path::new("/proc/self").exists() { error } else { error.context(no_proc()) }
    })
}

fn no_proc() -> Known {
    Known::new(Cause::NoProc, "this process cannot find itself")
}

/// Whether FUSE's `user_id` is root's or the caller's: as this user namespace has it, or as the
/// first one.
fn is_ours(user: u32) -> bool {
    [0, geteuid().as_raw(), outer_uid()].contains(&user)
}

fn is_me(name: &str) -> bool {
    User::from_uid(geteuid()).ok().flatten().is_some_and(|user| user.name == name)
}

/// A line of /proc/PID/mountinfo: proc_pid_mountinfo(5).
struct Mount<'a> {
    point: &'a str,
    super_options: &'a str,
}

impl Mount<'_> {
    fn of<'a>(line: &'a str, id: &str) -> Option<Mount<'a>> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut words = mount.split(' ');
        (words.next()? == id).then_some(())?;
        Some(Mount { point: words.nth(3)?, super_options: file_system.split(' ').nth(2)? })
    }

    /// Who has mounted this FUSE file system. (Those of the kernel's own, as virtiofs, don't say.)
    fn fuse_user(&self) -> Option<u32> {
        self.super_options
            .split(',')
            .find_map(|option| option.strip_prefix("user_id=")?.parse().ok())
    }
}

/// Returns the user in a line of mount(8)'s table, if it is for this mount point.
fn user_in<'a>(line: &'a str, point: &str) -> Option<&'a str> {
    let field = |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name));
    (field("TARGET=")? == point).then_some(())?;
    field("OPTS=")?.split(',').find_map(|option| option.strip_prefix("user="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuse_says_who_has_mounted_it() {
        let line =
            "36 28 0:45 / /tmp/busybox rw,nodev shared:7 - fuse.x x rw,user_id=4711,group_id=0";
        let mount = Mount::of(line, "36").unwrap();
        assert_eq!((mount.point, mount.fuse_user()), ("/tmp/busybox", Some(4711)));
        assert!(Mount::of(line, "3").is_none());
        let virtiofs = Mount::of("40 28 0:46 / /mnt rw,relatime - virtiofs x rw", "40").unwrap();
        assert_eq!(virtiofs.fuse_user(), None);
    }

    #[test]
    fn the_table_of_mount_says_for_whom_it_has_mounted() {
        let line = "ID=63 SRC=/dev/loop0 TARGET=/mnt/a\\040b ROOT=/ OPTS=loop,user=joe";
        assert_eq!(user_in(line, "/mnt/a\\040b"), Some("joe"));
        assert_eq!(user_in(line, "/mnt"), None);
        assert_eq!(user_in("SRC=x TARGET=/mnt ROOT=/ OPTS=_netdev", "/mnt"), None);
    }
}
