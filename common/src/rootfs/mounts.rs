//! Who has mounted the file system that a file is on. An ordinary user's own file system says whatever
//! that user wants: that root owns its files, or one thing to the check and another to execve(2).

use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::statfs::{FUSE_SUPER_MAGIC, fstatfs};
use nix::unistd::{User, geteuid};

use super::ids::outer_uid;
use super::walk::Place;
use crate::diagnosis::{Cause, Known};
use crate::quote::shown;

/// Returns the ordinary user, other than the caller, who has mounted what `place` is on.
///
/// # Errors
///
/// fstatfs(2), or `/proc/self` can't be read.
pub(super) fn another_user(place: &Place) -> Result<Option<String>> {
    let said = || shown(&place.path);
    let system = fstatfs(&place.file).map_err(std::io::Error::from).with_context(said)?;
    let is_fuse = system.filesystem_type() == FUSE_SUPER_MAGIC;
    // What mount(8) leaves of the option `user` of fstab(5).
    let utab = fs::read_to_string("/run/mount/utab").unwrap_or_default();
    // Most machines have neither, and which mount it is need not be looked for.
    if !is_fuse && !utab.contains("user=") {
        return Ok(None);
    }
    let mountinfo = read("/proc/self/mountinfo")?;
    let id = mount_id(&read(&format!("/proc/self/fdinfo/{}", place.file.as_raw_fd()))?)
        .with_context(said)?;
    // In another namespace's /proc, or after a chroot(2), a mount may not be listed.
    let Some(mount) = mountinfo.lines().find_map(|line| Mount::of(line, &id)) else {
        return Ok(None);
    };
    if is_fuse {
        return Ok(mount
            .fuse_user()
            .filter(|user| !is_ours(*user))
            .map(|user| format!("id {user}")));
    }
    let user = utab.lines().find_map(|line| user_in(line, mount.point));
    Ok(user
        .filter(|user| *user != "root" && !is_me(user))
        .map(|user| user.escape_debug().to_string()))
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
    fn the_table_of_mount_says_for_whom_it_has_mounted() {
        let line = "ID=63 SRC=/dev/loop0 TARGET=/mnt/a\\040b ROOT=/ OPTS=loop,user=joe";
        assert_eq!(user_in(line, "/mnt/a\\040b"), Some("joe"));
        assert_eq!(user_in(line, "/mnt"), None);
        assert_eq!(user_in("SRC=x TARGET=/mnt ROOT=/ OPTS=_netdev", "/mnt"), None);
    }
}
