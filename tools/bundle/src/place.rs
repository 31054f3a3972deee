//! A directory or a file that is made beside its place, and put there whole. When it fails nothing is left.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::Builder;

/// Makes a directory at `target`, which `fill` fills before anybody sees it there.
///
/// # Errors
///
/// There is something at `target`, its parent cannot be written to, or `fill` fails.
pub fn directory(target: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = parent_of_new(target)?;
    let said = || format!("make {target:?}");
    // Nobody else may look into it as long as it is not whole.
    let new = Builder::new().prefix(".bundle-").tempdir_in(parent).with_context(said)?;
    fill(new.path())?;
    fs::set_permissions(new.path(), Permissions::from_mode(0o755)).with_context(said)?;
    // rename(2) replaces nothing but an empty directory.
    fs::rename(new.path(), target).with_context(said)?;
    // There is nothing to remove under its old name.
    let _ = new.keep();
    Ok(())
}

/// Makes a file at `target`, which `fill` writes before anybody sees it there.
///
/// # Errors
///
/// There is something at `target`, its parent cannot be written to, or `fill` fails.
pub fn file(target: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let parent = parent_of_new(target)?;
    let said = || format!("make {target:?}");
    let mut builder = Builder::new();
    builder.prefix(".bundle-").permissions(Permissions::from_mode(0o644));
    let mut new = builder.tempfile_in(parent).with_context(said)?;
    fill(new.as_file_mut())?;
    new.persist_noclobber(target).map_err(|error| error.error).with_context(said)?;
    Ok(())
}

/// Returns the directory that `target`, which is not there yet, is to be in.
///
/// # Errors
///
/// There is something at `target`.
pub fn parent_of_new(target: &Path) -> Result<PathBuf> {
    ensure!(target.symlink_metadata().is_err(), "{target:?}: it is there already");
    ensure!(target.file_name().is_some(), "{target:?}: not the name of something new");
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    ensure!(parent.is_dir(), "{target:?}: there is no directory {parent:?} to make it in");
    Ok(parent.to_owned())
}
