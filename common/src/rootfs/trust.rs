//! Whom we trust with what is executed: root, and the caller.

use std::fs::Metadata;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::libc;
use nix::unistd::geteuid;

use super::walk::{Place, follow};
use super::{advice, mounts};
use crate::diagnosis::{Cause, Known};
use crate::host_facts::{in_first_user_namespace, overflow_id};
use crate::quote::{quoted, shown};

/// Whether root or the caller owns a file. Who has called sudo(8) is another user here: their
/// containers, and whatever runs in them, can write to what is theirs.
fn is_trusted(owner: u32) -> bool {
    !is_unmapped(owner) && (owner == 0 || owner == geteuid().as_raw())
}

/// Whether a user namespace may show this id for one that it does not map: user_namespaces(7),
/// section "Unmapped user and group IDs". It is nobody's then, even where the caller's own is shown
/// so.
fn is_unmapped(owner: u32) -> bool {
    owner == overflow_id() && !in_first_user_namespace()
}

/// The trees that are root's in every distribution: hier(7), and the stores of Nix and of Guix.
const TREES_OF_ROOT: [&str; 7] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store", "/gnu/store"];

/// The directories that are root's in every distribution, and may have directories of others in
/// them.
const DIRECTORIES_OF_ROOT: [&str; 15] = [
    "/",
    "/gnu",
    "/home",
    "/media",
    "/mnt",
    "/nix",
    "/opt",
    "/root",
    "/run",
    "/run/user",
    "/srv",
    "/tmp",
    "/var",
    "/var/home",
    "/var/tmp",
];

/// Whether the owner of a file on the host is root or the caller, or may be taken for root because
/// of the place: in a user namespace root's own directories look like those of any other user.
fn is_trusted_on_host(place: &Place) -> bool {
    let owner = place.metadata.uid();
    let of_root = || {
        DIRECTORIES_OF_ROOT.iter().any(|directory| place.path == Path::new(directory))
            || TREES_OF_ROOT.iter().any(|tree| place.path.starts_with(tree))
    };
    is_trusted(owner) || (is_unmapped(owner) && of_root())
}

/// Fails if another user owns the file, or has mounted what it is on: they could have planted it.
pub(super) fn ensure_owned(place: &Place) -> Result<()> {
    let owner = place.metadata.uid();
    ensure!(is_trusted(owner), of_another(&format!("belongs to another user (id {owner})")));
    let mounted = mounts::another_user(place)?;
    let said = |user| format!("belongs to another user, who has mounted it ({user})");
    mounted.map_or(Ok(()), |user| Err(of_another(&said(user)).into()))
}

fn of_another(said: &str) -> Known {
    Known::new(Cause::RootOfAnotherUser, said)
}

/// Fails if another user could put something else in the place of what `place` leads to. That is a
/// directory, or a symbolic link, of the host.
pub(super) fn ensure_leads_to_the_same(place: &Place) -> Result<()> {
    let said = format!("another user can rename it in {}", shown(&place.path));
    let owned = is_trusted_on_host(place) && mounts::another_user(place)?.is_none();
    ensure!(owned, of_another(&said));
    // In a sticky directory nobody can rename, or remove, what isn't theirs: inode(7).
    let sticky = place.metadata.mode() & 0o1000 != 0;
    if place.metadata.is_symlink() || sticky || !is_writable_by_others(place)? {
        return Ok(());
    }
    // To take the right from everybody would take their /tmp from them.
    let right = if place.metadata.mode() & 0o002 != 0 { "+t" } else { "go-w" };
    Err(Known::new(Cause::RootWritable, said).remedy(chmod(right, place)).into())
}

/// Fails if others can write to the file or directory, or own it.
pub(super) fn ensure_not_written_by_others(place: &Place) -> Result<()> {
    ensure_owned(place)?;
    let writable = || Known::new(Cause::RootWritable, "writable by other users");
    ensure!(!is_writable_by_others(place)?, writable().remedy(chmod("go-w", place)));
    Ok(())
}

/// Fails if a root directory is one for everybody, such as /tmp, which is to stay that.
pub(super) fn ensure_not_everybodys(root: &Place) -> Result<()> {
    let everybodys = || Known::new(Cause::RootNowhere, "a directory that everybody may write to");
    let advice = || advice::make_and_use(&root.path.join("root"));
    ensure!(root.metadata.mode() & 0o1002 != 0o1002, everybodys().remedy(advice()));
    Ok(())
}

/// Fails if others than root and the caller could have written the program, or put another one in
/// its place.
pub(super) fn ensure_program(program: &Path) -> Result<()> {
    let said = || shown(program);
    let place = follow(&Place::root()?, program, ensure_leads_to_the_same).with_context(said)?;
    let trusted = is_trusted_on_host(&place) && !is_writable_by_others(&place)?;
    ensure!(trusted, "{}: another user can write to it", said());
    Ok(())
}

/// A command that changes a mode, as its owner.
fn chmod(right: &str, place: &Place) -> String {
    as_owner(&format!("chmod {right} {}", quoted(&place.path)), &place.metadata)
}

/// A command that the owner of a file may use, or root.
pub(super) fn as_owner(command: &str, file: &Metadata) -> String {
    let owner = file.uid();
    // In a user namespace root owns what is of the ids that are mapped.
    let mine = owner == geteuid().as_raw() || geteuid().is_root() && !is_unmapped(owner);
    let sudo = if mine { "" } else { "sudo " };
    format!("{sudo}{command}")
}

/// Whether others than the owner can write: everybody, or a group that may have other members, or
/// who is named in an access control list.
fn is_writable_by_others(place: &Place) -> Result<bool> {
    let mode = place.metadata.mode();
    if mode & 0o020 != 0 {
        // Where there is a list, these bits are its mask: acl(5). Without them it lets nobody
        // write.
        let list = access_control_list(place)?;
        return Ok(mode & 0o002 != 0 || !is_group_of_one(&place.metadata) || names_writers(&list));
    }
    Ok(mode & 0o002 != 0)
}

/// Whether a file's group has one member. Many distributions give each user a group of their own,
/// with the same number.
fn is_group_of_one(metadata: &Metadata) -> bool {
    metadata.gid() == 0 || metadata.gid() == geteuid().as_raw()
}

/// The longest list that is read: the limit of an extended attribute, xattr(7).
const MAX_LIST: usize = 64 * 1024;

/// Reads a file's POSIX access control list as the kernel has it; empty where there is none.
fn access_control_list(place: &Place) -> Result<Vec<u8>> {
    // An O_PATH descriptor is not for fgetxattr(2).
    let path = format!("/proc/self/fd/{}\0", place.file.as_raw_fd());
    let mut list = vec![0; MAX_LIST];
    // SAFETY: both strings end with NUL, and the kernel writes at most as many bytes as the vector
    // has.
    let size = Errno::result(unsafe {
        let name = c"system.posix_acl_access";
        libc::getxattr(path.as_ptr().cast(), name.as_ptr(), list.as_mut_ptr().cast(), list.len())
    });
    match size {
        Ok(size) => list.truncate(size as usize),
        // There is no list, or the file system knows none.
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => list.clear(),
        Err(errno) => {
            let said = || format!("read the access control list of {}", shown(&place.path));
            return Err(io::Error::from(errno)).with_context(said);
        }
    }
    Ok(list)
}

/// Whether a list lets a user or a group write that it names: `struct posix_acl_xattr_entry`, 8
/// bytes each after a header of 4, in the kernel's linux/posix_acl_xattr.h.
fn names_writers(list: &[u8]) -> bool {
    const USER: u8 = 0x02;
    const GROUP: u8 = 0x08;
    const WRITE: u8 = 0x02;
    let entries = list.get(4..).unwrap_or_default().chunks_exact(8);
    entries.into_iter().any(|entry| [USER, GROUP].contains(&entry[0]) && entry[2] & WRITE != 0)
}

#[cfg(test)]
mod tests {
    use super::names_writers;

    #[test]
    fn a_list_that_lets_somebody_write_is_told_from_one_that_lets_them_read() {
        // user::rwx, user:4711:PERMISSIONS, group::r-x, mask::rwx, other::r-x
        let list = |permissions: u8| {
            let entries = [[1, 7], [2, permissions], [4, 5], [0x10, 7], [0x20, 5]];
            let bytes = entries.map(|[tag, right]| [tag, 0, right, 0, 0x67, 0x12, 0, 0]);
            [vec![2, 0, 0, 0], bytes.concat()].concat()
        };
        assert!(names_writers(&list(7)) && names_writers(&list(2)));
        assert!(!names_writers(&list(5)));
        assert!(!names_writers(&[]));
    }
}
