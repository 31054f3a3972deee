//! Who has mounted the file system that a file is on. An ordinary user's own file system says whatever
//! that user wants: that root owns its files, or one thing to the check and another to execve(2).

use std::cmp::Reverse;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::{User, geteuid};

use super::ids::outer_uid;
use super::walk::Place;
use crate::diagnosis::{Cause, Known};
use crate::quote::shown;

/// Fails where a file, open with O_PATH, is on a FUSE file system of another user's. That answers what its owner wants, or nothing,
/// and whoever asks it waits for ever: neither fstat(2) nor fstatfs(2) has been called yet.
///
/// # Errors
///
/// [`Cause::RootOfAnotherUser`]; `/proc/self` can't be read.
pub(super) fn ensure_answers(file: &File) -> Result<()> {
    // Without /proc nothing starts, whatever it is on. And on most machines there is none of that.
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if !mountinfo.contains(" - fuse") {
        return Ok(());
    }
    let id = mount_id(&read(&format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?);
    let mount = mountinfo.lines().find_map(|line| Mount::of(line, id.as_deref()?));
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
    let mountinfo = read("/proc/self/mountinfo")?;
    let id = mount_id(&read(&format!("/proc/self/fdinfo/{}", place.file.as_raw_fd()))?)
        .with_context(|| shown(&place.path))?;
    // In another namespace's /proc, or after a chroot(2), a mount may not be listed.
    let Some(mount) = mountinfo.lines().find_map(|line| Mount::of(line, &id)) else {
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
    let mountinfo = read("/proc/self/mountinfo")?;
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    let mut points: Vec<_> = points.filter(|point| point.starts_with(path)).collect();
    points.reverse();
    points.sort_by_key(|point| Reverse(point.components().count()));
    Ok(points)
}

/// A path as it is in a line of mountinfo, where some characters are octal numbers: proc_pid_mountinfo(5).
fn unescaped(word: &str) -> PathBuf {
    let mut parts = word.split('\\');
    let mut path = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => path.extend([&[byte], &part.as_bytes()[3..]].concat()),
            None => path.extend([b"\\", part.as_bytes()].concat()),
        }
    }
    OsString::from_vec(path).into()
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("read {file}")).map_err(|error| {
        if Path::new("/proc/self").exists() {
            return error;
        }
        error.context(Known::new(Cause::NoProc, "this process cannot find itself"))
    })
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

/// Reads the id of a mount from /proc/PID/fdinfo/FD: proc_pid_fdinfo(5).
fn mount_id(fdinfo: &str) -> Option<String> {
    let line = fdinfo.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    Some(line.trim().into())
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
    fn a_path_of_mountinfo_is_read_as_it_was() {
        assert_eq!(unescaped("/a\\040b\\134c\\x"), Path::new("/a b\\c\\x"));
    }

    #[test]
    fn the_table_of_mount_says_for_whom_it_has_mounted() {
        let line = "ID=63 SRC=/dev/loop0 TARGET=/mnt/a\\040b ROOT=/ OPTS=loop,user=joe";
        assert_eq!(user_in(line, "/mnt/a\\040b"), Some("joe"));
        assert_eq!(user_in(line, "/mnt"), None);
        assert_eq!(user_in("SRC=x TARGET=/mnt ROOT=/ OPTS=_netdev", "/mnt"), None);
    }
}
