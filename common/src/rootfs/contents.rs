//! What a root directory is to be made of, before any of it is written.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use super::libraries::{self, Needs};
use crate::quote::shown;

/// Where the programs are, from the root directory.
pub(super) const BIN: &str = "bin";

/// The directories that stages mount something on.
pub(super) const MOUNT_POINTS: [&str; 3] = ["proc", "temp", "dev"];

/// The directories of a root directory. `proc`, `dev` and `temp` are mount points.
pub(super) const DIRECTORIES: [&str; 11] =
    [BIN, "dev", "etc", "home", "proc", "root", "sys", "temp", "tmp", "usr", "var"];

/// The files of a root directory that programs look into, and what they find.
pub(super) const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost nshost\n::1 localhost nshost\n"),
    // Stage 03 has no device there: a shell takes the standard input of its background jobs from
    // here.
    ("dev/null", ""),
];

/// What a root directory takes.
pub(super) struct Size {
    /// Inodes.
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Bytes of the largest file.
    pub(super) largest: u64,
}

/// Programs of this host, their libraries, and links: by their paths from the root directory that
/// they are for.
#[derive(Default)]
pub(super) struct Contents {
    /// The files of this host to copy.
    pub(super) copies: BTreeMap<PathBuf, PathBuf>,
    /// Where the symbolic links point.
    pub(super) links: BTreeMap<PathBuf, PathBuf>,
    /// Scripts of ours.
    pub(super) scripts: BTreeMap<PathBuf, &'static str>,
    /// The first name of each program, by the device and the inode of its file.
    programs: HashMap<(u64, u64), String>,
}

impl Contents {
    /// Whether there is a program of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        let place = Path::new(BIN).join(name);
        self.copies.contains_key(&place)
            || self.links.contains_key(&place)
            || self.scripts.contains_key(&place)
    }

    /// Adds the file `program` as `/bin/NAME`, and the shared libraries that it needs. A file that
    /// is there by another name, as where one binary is all tools, gets a link.
    ///
    /// # Errors
    ///
    /// Those of [`libraries::of`]. Nothing has been added then.
    pub(super) fn add_program(&mut self, program: &Path, name: &str) -> Result<()> {
        let metadata = program.metadata().with_context(|| shown(program))?;
        let file = (metadata.dev(), metadata.ino());
        if let Some(first) = self.programs.get(&file).cloned() {
            self.add_link(name, &first);
            return Ok(());
        }
        if let Some(needs) = libraries::of(program)? {
            self.add_libraries(&needs)?;
        }
        self.copies.insert(Path::new(BIN).join(name), program.into());
        self.programs.insert(file, name.into());
        Ok(())
    }

    /// Adds the link `/bin/NAME` to the program `/bin/TO`.
    pub(super) fn add_link(&mut self, name: &str, to: &str) {
        self.links.insert(Path::new(BIN).join(name), to.into());
    }

    /// Adds the script `text` as `/bin/NAME`.
    pub(super) fn add_script(&mut self, name: &str, text: &'static str) {
        self.scripts.insert(Path::new(BIN).join(name), text);
    }

    /// What all of it takes on a file system with blocks of `block` bytes.
    ///
    /// # Errors
    ///
    /// A program has gone meanwhile.
    pub(super) fn size(&self, block: u64) -> Result<Size> {
        let names = self.links.len() + self.scripts.len() + DIRECTORIES.len() + FILES.len();
        let mut size = Size { files: names as u64, bytes: names as u64 * block, largest: block };
        for program in self.copies.values() {
            let length = program.metadata().with_context(|| shown(program))?.len();
            size.files += 1;
            size.bytes += length.next_multiple_of(block);
            size.largest = size.largest.max(length);
        }
        Ok(size)
    }

    /// Adds a loader, and libraries, each by its own path.
    fn add_libraries(&mut self, needs: &Needs) -> Result<()> {
        let own_paths: Result<Vec<_>> = needs.libraries.iter().map(|path| own_path(path)).collect();
        let own_paths = own_paths?;
        // The loader may have found a library by a cache, or by a place beside the program, that
        // the new root has not: ld.so(8). Beside the C library, which musl's loader is itself, it
        // looks without.
        let is_libc = |path: &&PathBuf| path.file_name() == Some(OsStr::new("libc.so.6"));
        let libc = needs.libraries.iter().find(is_libc).unwrap_or(&needs.loader).clone();
        for path in [needs.loader.clone()].into_iter().chain(own_paths) {
            let beside = libc.with_file_name(path.file_name().unwrap_or_default());
            if beside != path && !self.copies.contains_key(inside(&beside)) {
                self.links.entry(inside(&beside).into()).or_insert_with(|| path.clone());
            }
            self.links.remove(inside(&path));
            self.copies.entry(inside(&path).into()).or_insert(path);
        }
        Ok(())
    }
}

/// The path that a library gets. One with `..` in it would lead elsewhere where directories are
/// links.
fn own_path(path: &Path) -> Result<PathBuf> {
    if path.components().all(|component| component != Component::ParentDir) {
        return Ok(path.into());
    }
    path.canonicalize().with_context(|| shown(path))
}

/// The path from a root directory that the absolute `path` stands for.
fn inside(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}
