//! Whom we trust with what is executed.

use std::env;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;

use crate::host_facts::in_first_user_namespace;

/// The caller's user id outside of a user namespace that maps one id, as `cargo rootless` makes it: where
/// everybody is root, the directories of two users would have one name.
pub(super) fn outer_uid() -> u32 {
    let inside = geteuid().as_raw();
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().find_map(|line| outer_id(inside, line)).unwrap_or(inside)
}

/// Returns what a line of /proc/PID/uid_map makes of the id `inside`.
fn outer_id(inside: u32, line: &str) -> Option<u32> {
    let numbers: Vec<u32> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [first_inside, first_outside, size] = numbers[..] else {
        return None;
    };
    let offset = inside.checked_sub(first_inside).filter(|offset| *offset < size)?;
    first_outside.checked_add(offset)
}

/// Who may own what a container executes: root, the caller, and who has called sudo(8).
pub(super) fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == geteuid().as_raw() || sudo_id("SUDO_UID") == Some(owner)
}

/// Returns the id that sudo(8) has left in the environment. For others than root it says nothing.
fn sudo_id(variable: &str) -> Option<u32> {
    env::var(variable).ok().filter(|_| geteuid().is_root())?.parse().ok()
}

/// The owner that a user namespace shows for ids that it does not map: user_namespaces(7), section
/// "Unmapped user and group IDs".
pub(super) const OVERFLOW_UID: u32 = 65534;

/// Whether others than the owner can write: everybody, or a group that may have other members. (Many
/// distributions give each user a group of their own, with the same number.)
pub(super) fn is_writable_by_others(metadata: &Metadata) -> bool {
    let of_one_user = metadata.gid() == 0
        || metadata.gid() == geteuid().as_raw()
        || sudo_id("SUDO_UID") == Some(metadata.gid());
    metadata.mode() & 0o002 != 0 || (metadata.mode() & 0o020 != 0 && !of_one_user)
}

/// The trees that are root's in every distribution: hier(7), and the stores of Nix and of Guix.
const TREES_OF_ROOT: [&str; 7] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store", "/gnu/store"];

/// The directories that are root's in every distribution, and may have directories of others in them.
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

/// Whether the owner of `path` may be taken for root because of the place. In a user namespace, where ids are
/// not mapped, root's own files look like those of any other user.
fn is_unmapped_root(path: &Path, owner: u32) -> bool {
    owner == OVERFLOW_UID
        && !in_first_user_namespace()
        && (DIRECTORIES_OF_ROOT.iter().any(|directory| path == Path::new(directory))
            || TREES_OF_ROOT.iter().any(|tree| path.starts_with(tree)))
}

/// Fails if others than root and the caller could have written the program, or put another one in its place.
pub(super) fn ensure_only_trusted_write(program: &Path) -> Result<()> {
    let program = program.canonicalize().with_context(|| program.display().to_string())?;
    for path in program.ancestors() {
        let metadata = path.symlink_metadata().with_context(|| path.display().to_string())?;
        let owner = metadata.uid();
        let trusted = owner == 0 || owner == geteuid().as_raw() || is_unmapped_root(path, owner);
        // In a sticky directory others can't replace what isn't theirs.
        let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
        ensure!(
            trusted && (sticky || !is_writable_by_others(&metadata)),
            "{}: another user can write to {}",
            program.display(),
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::outer_id;

    #[test]
    fn an_id_is_mapped_by_the_range_that_holds_it() {
        assert_eq!(outer_id(0, "         0       1000          1"), Some(1000));
        assert_eq!(outer_id(7, "5 100 3"), Some(102));
        assert_eq!(outer_id(0, "0 0 4294967295"), Some(0));
    }

    #[test]
    fn an_id_outside_of_the_range_is_not_mapped() {
        assert_eq!(outer_id(1, "0 1000 1"), None);
        assert_eq!(outer_id(4, "5 100 3"), None);
        assert_eq!(outer_id(0, ""), None);
    }
}
