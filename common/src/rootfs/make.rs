//! Makes a root directory: beside its place first, so that it is whole or not there.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{geteuid, mkdtemp};

use super::contents::{BIN, Contents, DIRECTORIES, FILES};
use super::ids::outer_uid;
use crate::quote::shown;

/// Makes a root directory of `contents` at `target`. It is made beside its place and renamed, so
/// that `target` is whole or not there, whoever else is making it and whenever this is interrupted.
pub(super) fn build(target: &Path, contents: &Contents) -> Result<()> {
    remove_abandoned(target);
    let before = umask(Mode::from_bits_truncate(0o022));
    let built = build_beside(target, contents);
    umask(before);
    remove_abandoned(target);
    match built {
        // rename(2) does not replace a directory with something in it, or another user's. This one
        // was made by another start, which was faster.
        Err(_) if target.symlink_metadata().is_ok() => Ok(()),
        built => built,
    }
}

fn build_beside(target: &Path, contents: &Contents) -> Result<()> {
    let (workshop, _lock) = workshop(target)?;
    let moved = fill(&workshop, contents).and_then(|()| {
        fs::set_permissions(&workshop, Permissions::from_mode(0o755)).context("chmod")?;
        fs::rename(&workshop, target).context("rename")
    });
    if moved.is_err() {
        // What cannot be removed now, the next start removes.
        let _ = fs::remove_dir_all(&workshop);
    }
    moved
}

/// The characters that mkdtemp(3) replaces.
const SUFFIX: &str = "XXXXXX";

/// Makes a directory to make `target` in, `.busybox-UID-XXXXXX` beside it. Others leave it alone as
/// long as the lock is held.
fn workshop(target: &Path) -> Result<(PathBuf, Flock<File>)> {
    let template = target.with_file_name(format!("{}{SUFFIX}", workshop_prefix(target)));
    loop {
        let workshop =
            mkdtemp(&template).with_context(|| format!("mkdtemp {}", shown(&template)))?;
        // Before it is locked it looks abandoned, and another start may be about to remove it.
        if let Some(lock) = lock(&workshop)?.filter(|_| workshop.exists()) {
            return Ok((workshop, lock));
        }
    }
}

fn workshop_prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}-{}-", outer_uid())
}

/// Locks a directory for its maker: flock(2). The lock ends with the process. Returns `None` when
/// somebody else has the lock, or the directory is gone.
fn lock(directory: &Path) -> Result<Option<Flock<File>>> {
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
    match OpenOptions::new().read(true).custom_flags(flags).open(directory) {
        Ok(file) => Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("open {}", shown(directory))),
    }
}

/// Removes what starts that were killed in the middle of [`build`] have left beside `target`.
fn remove_abandoned(target: &Path) {
    let prefix = workshop_prefix(target);
    let parent = target.parent().unwrap_or(Path::new("/"));
    // What can't be seen can't be removed, and is in nobody's way.
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let suffix = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        let is_ours =
            |metadata: Metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw();
        if suffix.is_some_and(|suffix| suffix.len() == SUFFIX.len())
            && entry.metadata().is_ok_and(is_ours)
        {
            // Locked, somebody is at work in it.
            if let Ok(Some(_lock)) = lock(&entry.path()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Puts everything into the empty directory `root`.
fn fill(root: &Path, contents: &Contents) -> Result<()> {
    for directory in DIRECTORIES {
        DirBuilder::new()
            .mode(0o755)
            .create(root.join(directory))
            .with_context(|| format!("mkdir {directory}"))?;
    }
    for (file, text) in FILES {
        fs::write(root.join(file), text).with_context(|| format!("write {file}"))?;
    }
    symlink(Path::new("..").join(BIN), root.join("usr/bin")).context("link usr/bin")?;
    write(root, contents)
}

/// Puts `contents` into the root directory `root`. What is there stays.
pub(super) fn write(root: &Path, contents: &Contents) -> Result<()> {
    let is_new = |path: &PathBuf| path.symlink_metadata().is_err();
    for (place, program) in &contents.copies {
        let to = root.join(place);
        if is_new(&to) {
            make_parent(&to)?;
            // Not with the mode of the original: a copy of mount(8) must not be set-user-ID.
            fs::copy(program, &to)
                .and_then(|_| fs::set_permissions(&to, Permissions::from_mode(0o755)))
                .with_context(|| format!("copy {} to {}", shown(program), shown(&to)))?;
        }
    }
    for (place, target) in &contents.links {
        let link = root.join(place);
        if is_new(&link) {
            make_parent(&link)?;
            symlink(target, &link).with_context(|| format!("link {}", shown(&link)))?;
        }
    }
    for (place, text) in &contents.scripts {
        let script = root.join(place);
        fs::write(&script, text)
            .and_then(|()| fs::set_permissions(&script, Permissions::from_mode(0o755)))
            .with_context(|| format!("write {}", shown(&script)))?;
    }
    Ok(())
}

/// Makes the directory that the file is to be in.
fn make_parent(file: &Path) -> Result<()> {
    let directory = file.parent().unwrap_or(file);
    fs::create_dir_all(directory).with_context(|| format!("mkdir {}", shown(directory)))
}
