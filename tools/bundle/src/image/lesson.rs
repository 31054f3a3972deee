//! What the image has for readers to look at, in a directory of its own: a second layer that adds, changes and removes
//! something of the first, and how it says so.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tar::EntryType;

use super::layer::{Layer, WHITEOUT, header};

/// The directory.
const LESSON: &str = "layers";

/// Adds what the second layer will change. The root directory stays as it is.
///
/// # Errors
///
/// The root directory `rootfs` has something of that name.
pub fn first_layer(layer: &mut Layer, rootfs: &Path) -> Result<()> {
    ensure!(
        rootfs.join(LESSON).symlink_metadata().is_err(),
        "root directory {rootfs:?}: has a directory {LESSON:?}, which the image's second layer is about"
    );
    directory(layer, "")?;
    for name in ["changed", "kept", "removed"] {
        file(layer, name, "layer 1\n")?;
    }
    directory(layer, "replaced/")?;
    file(layer, "replaced/below", "layer 1\n")
}

/// Writes the second layer.
///
/// # Errors
///
/// Those of writing.
pub fn second_layer(layer: &mut Layer) -> Result<()> {
    // The directory is in both, and so is what they have in it.
    directory(layer, "")?;
    // Removed: there is an empty file of this name in the layer.
    file(layer, &format!("{WHITEOUT}removed"), "")?;
    // There is nothing in between. A changed file is in the layer, whole.
    file(layer, "added", "layer 2\n")?;
    file(layer, "changed", "layer 2\n")?;
    directory(layer, "replaced/")?;
    // Opaque: of this directory nothing shows that is in a layer below.
    file(layer, &format!("replaced/{WHITEOUT}{WHITEOUT}.opq"), "")?;
    file(layer, "replaced/above", "layer 2\n")
}

fn directory(layer: &mut Layer, name: &str) -> Result<()> {
    let mut header = header(EntryType::Directory, 0o755, 0);
    let path = format!("{LESSON}/{name}");
    layer.append_data(&mut header, path, &[][..]).context("write a layer")
}

fn file(layer: &mut Layer, name: &str, text: &str) -> Result<()> {
    let mut header = header(EntryType::Regular, 0o644, text.len() as u64);
    let path = format!("{LESSON}/{name}");
    layer.append_data(&mut header, path, text.as_bytes()).context("write a layer")
}
