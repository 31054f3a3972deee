//! Follows a path one name at a time, and looks at each file on the way before it goes on.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::Mode;

use super::mounts;
use crate::quote::shown;

/// A file that a path has led to. The descriptor stays with that file, whatever becomes of the
/// path.
pub(super) struct Place {
    /// An O_PATH descriptor: open(2).
    pub(super) file: File,
    /// Its path, without symbolic links.
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
    /// The id of the mount that it is on, if there is a /proc that tells.
    pub(super) mount: Option<String>,
}

/// The most symbolic links that a path may lead through, as in the kernel: path_resolution(7).
const MAX_LINKS: usize = 40;

const FLAGS: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

impl Place {
    /// The root directory of this process.
    pub(super) fn root() -> Result<Place> {
        let file = open("/", FLAGS, Mode::empty()).map_err(io::Error::from).context("open /")?;
        Place::new(file, "/".into(), None)
    }

    /// - `parent`: the mount that it was looked up on.
    fn new(file: OwnedFd, path: PathBuf, parent: Option<&str>) -> Result<Place> {
        let file = File::from(file);
        let mount = mounts::id_of(&file);
        if mount.is_none() || mount.as_deref() != parent {
            // Before anything is asked of its file system.
            mounts::ensure_answers(&file, mount.as_deref()).with_context(|| shown(&path))?;
        }
        let metadata = file.metadata().with_context(|| shown(&path))?;
        Ok(Place { file, path, metadata, mount })
    }

    /// Opens the file `name` in this directory: the file itself where it is a symbolic link.
    ///
    /// # Errors
    ///
    /// An [`io::Error`], such as NotFound; [`mounts::ensure_answers`].
    pub(super) fn open(&self, name: &OsString) -> Result<Place> {
        let path = self.path.join(name);
        let file = openat(&self.file, name.as_os_str(), FLAGS, Mode::empty());
        Place::new(file.map_err(io::Error::from)?, path, self.mount.as_deref())
    }

    fn try_clone(&self) -> Result<Place> {
        let file = self.file.try_clone().context("copy a descriptor")?;
        let (path, metadata, mount) =
            (self.path.clone(), self.metadata.clone(), self.mount.clone());
        Ok(Place { file, path, metadata, mount })
    }
}

/// Follows `path` from the directory `root`, which is what `/` means in it. Before a name is looked
/// up in a directory, `check` looks at that directory; and before a symbolic link is followed, at
/// the link.
///
/// # Errors
///
/// Those of `check`; or an [`io::Error`], in the context of the path where it is not for all of
/// `path`.
pub(super) fn follow(
    root: &Place,
    path: &Path,
    check: impl Fn(&Place) -> Result<()>,
) -> Result<Place> {
    let mut trail = vec![root.try_clone()?];
    let mut names = names(path);
    let mut links = 0;
    while let Some(name) = names.pop() {
        let here = &trail[trail.len() - 1];
        check(here)?;
        if name == ".." {
            // The parent of a root directory is itself.
            trail.truncate((trail.len() - 1).max(1));
            continue;
        }
        let place = match here.open(&name) {
            // What the caller has asked for they need not be told.
            Err(error) if !names.is_empty() => {
                return Err(error).with_context(|| shown(here.path.join(name)));
            }
            place => place?,
        };
        if !place.metadata.is_symlink() {
            trail.push(place);
            continue;
        }
        check(&place)?;
        links += 1;
        let too_many = || io::Error::from(Errno::ELOOP);
        ensure!(links <= MAX_LINKS, anyhow::Error::new(too_many()).context(shown(&place.path)));
        let target = readlinkat(&place.file, "").map_err(io::Error::from);
        let target = PathBuf::from(target.with_context(|| shown(&place.path))?);
        if target.is_absolute() {
            trail.truncate(1);
        }
        names.extend(self::names(&target));
    }
    Ok(trail.swap_remove(trail.len() - 1))
}

/// The names in a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let name = |component: Component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory with a/b, a link to it, and one to that.
    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("walk-{name}-{}", std::process::id()));
        fs::create_dir_all(directory.join("a/b")).unwrap();
        symlink("/a", directory.join("absolute")).unwrap();
        symlink("a/../absolute/b", directory.join("relative")).unwrap();
        symlink("loop", directory.join("loop")).unwrap();
        directory
    }

    #[test]
    fn links_are_followed_below_the_root_that_was_given_and_each_step_is_checked() {
        let path = directory("links");
        let root =
            follow(&Place::root().unwrap(), &path.canonicalize().unwrap(), |_| Ok(())).unwrap();
        let seen = RefCell::new(Vec::new());
        let see = |place: &Place| {
            seen.borrow_mut().push(place.path.strip_prefix(&root.path).unwrap().to_owned());
            Ok(())
        };
        let found = follow(&root, Path::new("/../relative"), see).unwrap();
        assert_eq!(found.path, root.path.join("a/b"));
        let seen = seen.into_inner();
        for path in ["", "relative", "absolute", "a"] {
            assert!(seen.contains(&path.into()), "{path:?} is not in {seen:?}");
        }
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_loop_of_links_and_a_missing_file_are_errors_of_the_system() {
        let path = directory("errors");
        let root = Place::root().unwrap();
        let error = |name: &str| follow(&root, &path.join(name), |_| Ok(())).err().unwrap();
        let errno = |name| error(name).downcast_ref::<io::Error>().unwrap().raw_os_error();
        assert_eq!(errno("loop"), Some(Errno::ELOOP as i32));
        assert_eq!(errno("a/none/b"), Some(Errno::ENOENT as i32));
        fs::remove_dir_all(path).unwrap();
    }
}
