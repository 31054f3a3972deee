//! The archive around an image: which files are in it, and where.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::stream::is_gzip;
use crate::image::hex;
use crate::interrupt::Interruptible;

/// The most that a file of JSON may have: an image's config, or a list of its layers.
const LARGEST_JSON: u64 = 4 << 20;

/// The most files that an archive may have. An image has at most 127 layers or so.
const MOST_FILES: usize = 10_000;

/// The most that the headers of an archive may have, in bytes.
const LARGEST_HEADERS: u64 = 64 << 20;

/// An archive that is open.
pub struct Archive {
    file: File,
    members: HashMap<PathBuf, Member>,
}

/// What a name in an archive is of.
enum Member {
    Bytes(Section),
    /// Docker and Podman save what is there already as a link to it.
    Link(PathBuf),
}

/// A part of an archive: the bytes of a file.
#[derive(Clone, Copy)]
pub struct Section {
    offset: u64,
    /// How many there are.
    pub size: u64,
}

impl Archive {
    /// Opens an archive, and finds what is in it.
    ///
    /// # Errors
    ///
    /// It is no file, or no tar archive, or has two files of one name.
    pub fn open(path: &Path) -> Result<Archive> {
        // Who opens a FIFO waits for somebody to write to it.
        ensure!(fs::metadata(path)?.is_file(), "not a file");
        let file = File::open(path)?;
        let mut begin = [0; 2];
        let _ = file.read_at(&mut begin, 0)?;
        ensure!(!is_gzip(&begin), "the archive itself is compressed: `gunzip` it first");
        let mut archive = Archive { file, members: HashMap::new() };
        archive.members = archive.find_members()?;
        Ok(archive)
    }

    fn find_members(&self) -> Result<HashMap<PathBuf, Member>> {
        let mut members = HashMap::new();
        let headers = Headers { file: &self.file, left: LARGEST_HEADERS };
        for entry in tar::Archive::new(headers).entries_with_seek()? {
            let entry = entry.context("not a tar archive")?;
            let name = normal(Path::new(""), &entry.path().context("read a name")?);
            let target = entry.link_name().context("read a link")?;
            let member = match (entry.header().entry_type(), name.as_ref(), target) {
                (EntryType::Regular | EntryType::Continuous, ..) => Some(Member::Bytes(Section {
                    offset: entry.raw_file_position(),
                    size: entry.size(),
                })),
                (EntryType::Symlink, Some(name), Some(target)) => {
                    normal(name.parent().unwrap_or(Path::new("")), &target).map(Member::Link)
                }
                (EntryType::Link, _, Some(target)) => {
                    normal(Path::new(""), &target).map(Member::Link)
                }
                // Directories, and what no image has.
                _ => None,
            };
            // What leads out of the archive nobody asks for.
            let (Some(name), Some(member)) = (name, member) else { continue };
            let said = format!("two files in the archive are called {name:?}");
            ensure!(members.insert(name, member).is_none(), said);
            ensure!(members.len() <= MOST_FILES, "more than {MOST_FILES} files in the archive");
        }
        Ok(members)
    }

    /// Whether the archive has a file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(Path::new(name))
    }

    /// Finds a file.
    ///
    /// # Errors
    ///
    /// There is none of this name, or it is a link that leads nowhere.
    pub fn find(&self, name: &str) -> Result<Section> {
        let mut path = normal(Path::new(""), Path::new(name));
        // Links to links are not what anybody writes.
        for _ in 0..8 {
            match path.as_ref().and_then(|path| self.members.get(path)) {
                Some(Member::Bytes(section)) => return Ok(*section),
                Some(Member::Link(target)) => path = Some(target.clone()),
                None => break,
            }
        }
        bail!("{name:?} is not in the archive")
    }

    /// Reads a file of JSON.
    ///
    /// # Errors
    ///
    /// There is none of this name, or it is too large.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let section = self.find(name)?;
        ensure!(section.size <= LARGEST_JSON, "{name:?} has {} bytes: too large", section.size);
        let mut bytes = Vec::new();
        self.reader(section).read_to_end(&mut bytes).with_context(|| format!("read {name:?}"))?;
        Ok(bytes)
    }

    /// Returns the bytes of a file.
    pub fn reader(&self, section: Section) -> impl Read + '_ {
        Interruptible(Bytes { file: &self.file, section })
    }

    /// Compares the digest of a file: as `sha256sum` writes it.
    ///
    /// # Errors
    ///
    /// It is another one.
    pub fn check(&self, section: Section, digest: &str) -> Result<()> {
        let mut hash = Hash(Sha256::new());
        io::copy(&mut self.reader(section), &mut hash).context("read")?;
        let found = hex(&hash.0.finalize());
        ensure!(found == digest, "its digest is sha256:{found}, and should be sha256:{digest}");
        Ok(())
    }
}

/// Returns where `path` leads from `directory`, inside the archive; None if it leads out.
fn normal(directory: &Path, path: &Path) -> Option<PathBuf> {
    let mut normal = directory.to_owned();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => normal.push(name),
            Component::ParentDir if normal.pop() => {}
            _ => return None,
        }
    }
    Some(normal)
}

/// Reads a part of a file, whoever else reads the file.
struct Bytes<'a> {
    file: &'a File,
    section: Section,
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.section.size).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let size = self.file.read_at(&mut buffer[..most], self.section.offset)?;
        if size == 0 {
            return Err(io::Error::other("the archive ends in the middle of a file"));
        }
        self.section.offset += size as u64;
        self.section.size -= size as u64;
        Ok(size)
    }
}

struct Hash(Sha256);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads headers, which are held in memory. What is between them is skipped.
struct Headers<'a> {
    file: &'a File,
    left: u64,
}

impl Read for Headers<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.file.read(buffer)?;
        self.left =
            self.left.checked_sub(size as u64).ok_or(io::Error::other("too many headers"))?;
        Ok(size)
    }
}

impl io::Seek for Headers<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
