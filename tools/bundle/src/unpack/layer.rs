//! What is in a layer, done to a directory that has the layers below.
//!
//! A layer is read twice. First its digest is checked, each of its names is looked at, and what it removes of the layers
//! below is removed; a whiteout is of nothing that its own layer has, wherever it is in there. Then it is made.

use std::io;

use anyhow::{Context, Result, bail, ensure};
use tar::{Archive, Entry, EntryType};

use super::beneath::Root;
use super::limits::Limits;
use super::name::{Name, Whiteout};
use super::stream::Stream;

/// Looks through a layer, and then removes what it hides.
///
/// # Errors
///
/// Its digest is wrong, or something of it can't be in a layer, or leads out; or it is too much.
pub fn look(root: &Root, layer: &mut Stream, limits: &Limits) -> Result<()> {
    let mut hidden = Vec::new();
    each(layer, limits, |entry, name| {
        ensure_readable(entry)?;
        kind(entry, name)?;
        hidden.extend(name.whiteout()?);
        // What is not read here would count as headers of the next.
        io::copy(entry, &mut io::sink()).context("read")?;
        Ok(())
    })?;
    for whiteout in hidden {
        match &whiteout {
            Whiteout::Removed(name) => {
                root.remove(name).with_context(|| format!("whiteout of {name:?}"))?;
            }
            Whiteout::Opaque(name) => {
                root.clear(name).with_context(|| format!("opaque whiteout in {name:?}"))?;
            }
            Whiteout::Nothing => {}
        }
    }
    Ok(())
}

/// Makes what is in a layer.
///
/// # Errors
///
/// Those of [`look`], and of making it: no space is left on the device.
pub fn make(root: &Root, layer: &mut Stream, limits: &Limits) -> Result<()> {
    each(layer, limits, |entry, name| {
        if name.whiteout()?.is_some() {
            return Ok(());
        }
        let mode = entry.header().mode().context("its mode")?;
        match kind(entry, name)? {
            Kind::Directory => root.directory(name, mode),
            Kind::File => {
                let mtime = entry.header().mtime().unwrap_or(0);
                root.file(name, mode, mtime, entry)
            }
            Kind::SymbolicLink(target) => root.symbolic_link(name, &target),
            Kind::HardLink(target) => root.hard_link(name, &target),
            Kind::Fifo => root.fifo(name, mode),
            Kind::LeftOut => Ok(()),
        }
    })
}

/// Calls `act` for each entry, and checks the digest in the end.
fn each(
    layer: &mut Stream,
    limits: &Limits,
    mut act: impl FnMut(&mut Entry<&mut Stream>, &Name) -> Result<()>,
) -> Result<()> {
    let mut archive = Archive::new(&mut *layer);
    limits.expect_headers();
    for entry in archive.entries().context("read")? {
        let mut entry = entry.context("not a tar archive that can be read")?;
        limits.begin(entry.size())?;
        let bytes = entry.path_bytes().into_owned();
        let said = || format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(256)]));
        let name = Name::parse(&bytes).with_context(said)?;
        act(&mut entry, &name).with_context(said)?;
        io::copy(&mut entry, &mut io::sink()).with_context(said)?;
        limits.expect_headers();
    }
    layer.finish()
}

/// Fails for a sparse file as `tar --sparse --format=pax` writes it: what is read of it would be its map, and another name.
fn ensure_readable(entry: &mut Entry<&mut Stream>) -> Result<()> {
    for extension in entry.pax_extensions().context("read")?.into_iter().flatten() {
        let key = extension.context("a broken header")?.key_bytes();
        ensure!(
            !key.starts_with(b"GNU.sparse."),
            "a sparse file in the format pax is not read here"
        );
    }
    Ok(())
}

/// What an entry is.
enum Kind {
    Directory,
    File,
    SymbolicLink(Vec<u8>),
    HardLink(Name),
    Fifo,
    /// What has no place in a root directory of ours.
    LeftOut,
}

fn kind(entry: &Entry<&mut Stream>, name: &Name) -> Result<Kind> {
    let target = || entry.link_name_bytes().map(|target| target.into_owned());
    match entry.header().entry_type() {
        // Before POSIX a directory was a file with this name.
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => Ok(Kind::Directory),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Ok(Kind::File),
        EntryType::Directory => Ok(Kind::Directory),
        EntryType::Symlink => {
            let target = target().context("a symbolic link without a target")?;
            ensure!(target.len() < 4096, "a symbolic link of {} bytes is too long", target.len());
            Ok(Kind::SymbolicLink(target))
        }
        EntryType::Link => {
            let target = target().context("a hard link without a target")?;
            let shown = String::from_utf8_lossy(&target[..target.len().min(256)]).into_owned();
            let target =
                Name::parse(&target).with_context(|| format!("a hard link to {shown:?}"))?;
            Ok(Kind::HardLink(target))
        }
        EntryType::Fifo => Ok(Kind::Fifo),
        EntryType::Char | EntryType::Block if is_in_dev(name) => Ok(Kind::LeftOut),
        EntryType::Char | EntryType::Block => bail!("a device leads out of the directory"),
        EntryType::XGlobalHeader => Ok(Kind::LeftOut),
        other => bail!("of a kind that no layer has ({:?})", char::from(other.as_byte())),
    }
}

/// Whether it is below `/dev`, where a stage mounts a file system of its own with other devices.
fn is_in_dev(name: &Name) -> bool {
    name.split()
        .is_some_and(|(directories, _)| directories.first().is_some_and(|first| first == "dev"))
}
