//! An image as a root directory for `--rootfs`.
//!
//! Whoever has made the archive is not trusted with anything. Its names are walked by descriptors that follow no link
//! (`beneath`), its layers are looked through before anything of them is made (`layer`), what it may take is limited
//! (`limits`), and the new directory is nobody else's until it is whole.

use std::path::Path;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::place;
use archive::Archive;
use beneath::Root;
use limits::Limits;

mod archive;
mod beneath;
mod layer;
mod limits;
mod name;
mod parts;
mod stream;

/// What a stage mounts on.
const MOUNT_POINTS: [&str; 3] = ["proc", "dev", "temp"];

/// Makes `directory` out of the image in `archive`, a file that `docker save`, `podman save` or `skopeo copy` has written.
/// All in it belongs to the caller, and has neither set-user-ID bits nor extended attributes: a container of a stage has
/// one user, and on the host nobody shall become another by it.
///
/// # Errors
///
/// One line that says what is wrong with which layer and name; nothing is left then. There is something at
/// `directory`; the archive holds no image, several, or one for another processor; a digest is wrong; something leads out
/// of the directory; or there is more than `limit` MiB in it.
pub fn unpack(archive: &Path, directory: &Path, limit: u64) -> Result<()> {
    place::parent_of_new(directory)?;
    let image = || format!("unpack {archive:?}");
    let archive = Archive::open(archive).with_context(image)?;
    let layers = parts::layers(&archive).with_context(image)?;
    let bytes = layers.iter().map(|layer| layer.size()).sum::<u64>();
    // Each is read twice.
    let bar = progress(2 * bytes);
    let [looked, made] = [Limits::new(limit), Limits::new(limit)];
    place::directory(directory, |new| {
        let root = Root::open(new)?;
        for (number, part) in (1..).zip(&layers) {
            let said = || format!("layer {number} of {}", layers.len());
            let open = |limits| part.open(&archive, &bar, limits).with_context(said);
            layer::look(&root, &mut open(&looked)?, &looked).with_context(said)?;
            layer::make(&root, &mut open(&made)?, &made).with_context(said)?;
        }
        MOUNT_POINTS.iter().try_for_each(|name| root.mount_point(name))
    })
    .with_context(image)
}

/// A bar on standard error, if that is a terminal.
fn progress(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}");
    ProgressBar::new(bytes).with_style(style.unwrap_or(ProgressStyle::default_bar()))
}

/// Returns the command line that runs a stage in the new directory.
///
/// # Errors
///
/// The path can't be quoted.
pub fn command(directory: &Path) -> Result<String> {
    let directory = directory.to_str().context("the path is not UTF-8")?;
    let directory = shlex::try_quote(directory).context("quote for the shell")?;
    Ok(format!("cargo run -p user -- --rootfs {directory}\n"))
}
