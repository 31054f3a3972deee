//! Whether a root directory can be made in a place.

use std::io;
use std::path::Path;

use anyhow::{Context, Error, Result, ensure};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{AccessFlags, faccessat};

use super::check::ensure_executable;
use super::contents::Contents;
use super::trust::ensure_leads_to_the_same;
use super::walk::{Place, follow};
use crate::diagnosis::{Cause, Known};
use crate::quote::shown;

/// Fails if no root directory can be made at `target`, or if others could put another one in its
/// place.
///
/// Nothing is made, and nothing executed. `prepare` and `look` both ask here, so that they agree.
pub(super) fn ensure_place(target: &Path) -> Result<()> {
    let parent = parent(target).map_err(|error| nowhere(error, "it can't be made"))?;
    ensure_executable(&parent)?;
    let right = AccessFlags::W_OK | AccessFlags::X_OK;
    faccessat(&parent.file, ".", right, AtFlags::AT_EACCESS).map_err(|errno| {
        nowhere(
            io::Error::from(errno).into(),
            &format!("{} can't be written to", shown(&parent.path)),
        )
    })
}

fn parent(target: &Path) -> Result<Place> {
    let parent = target.parent().context("this is the root directory of the host")?;
    let place =
        follow(&Place::root()?, parent, ensure_leads_to_the_same).with_context(|| shown(parent))?;
    ensure_leads_to_the_same(&place)?;
    Ok(place)
}

/// What the system says where there is no place for a root directory.
const NO_PLACE: [Errno; 9] = [
    Errno::EACCES,
    Errno::EDQUOT,
    Errno::EFBIG,
    Errno::ELOOP,
    Errno::ENOENT,
    Errno::ENOSPC,
    Errno::ENOTDIR,
    Errno::EPERM,
    Errno::EROFS,
];

/// Says of an error of the system that there is no place for a root directory, if it means that.
pub(super) fn nowhere(error: Error, said: &str) -> Error {
    if error.downcast_ref::<Known>().is_some() {
        return error;
    }
    let errno = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error());
    if errno.is_some_and(|errno| NO_PLACE.contains(&Errno::from_raw(errno))) {
        return error.context(Known::new(Cause::RootNowhere, said));
    }
    error
}

/// Fails if what a root directory is made of does not fit at `target`.
pub(super) fn ensure_fits(target: &Path, contents: &Contents) -> Result<()> {
    let parent = parent(target)?;
    let file_system = fstatvfs(&parent.file).map_err(io::Error::from)?;
    let size = contents.size(file_system.block_size().max(1))?;
    let no_place = |said: String| Known::new(Cause::RootNowhere, said);
    // Zero of all: the file system has no such limit.
    let free = file_system.blocks_available() as u64 * file_system.fragment_size() as u64;
    let full =
        format!("it takes {} KiB, and {} KiB are free", size.bytes.div_ceil(1024), free / 1024);
    ensure!(file_system.blocks() == 0 || size.bytes <= free, no_place(full));
    let free = file_system.files_available() as u64;
    let full = format!("it takes {} inodes, and {free} are free", size.files);
    ensure!(file_system.files() == 0 || size.files <= free, no_place(full));
    let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE).map_err(io::Error::from)?;
    let limited = || {
        let said = format!("it takes a file of {} bytes, and {limit} are allowed", size.largest);
        Known::new(Cause::FileSize, said)
    };
    ensure!(size.largest <= limit, limited());
    Ok(())
}
