//! A name in a layer, which leads nowhere but down.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use crate::image::WHITEOUT;

/// The longest path that a system call takes: PATH_MAX, linux/limits.h.
const LONGEST: usize = 4096;

/// How deep directories may be. Whoever removes them again has one descriptor open for each.
const DEEPEST: usize = 200;

/// The names of the directories from the root down, and the last one.
#[derive(Clone)]
pub struct Name(Vec<OsString>);

impl Name {
    /// Reads what a layer has.
    ///
    /// # Errors
    ///
    /// It leads out: it is absolute, or has a `..`. Or it is longer or deeper than files can be.
    pub fn parse(bytes: &[u8]) -> Result<Name> {
        ensure!(!bytes.starts_with(b"/"), "an absolute path leads out of the directory");
        ensure!(bytes.len() < LONGEST, "a path of {} bytes is too long", bytes.len());
        let mut names = Vec::new();
        for name in bytes.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => bail!("`..` leads out of the directory"),
                name => names.push(OsStr::from_bytes(name).to_owned()),
            }
        }
        ensure!(names.len() <= DEEPEST, "a path of {} directories is too deep", names.len());
        Ok(Name(names))
    }

    /// Returns all its names, from the root down.
    pub fn names(&self) -> &[OsString] {
        &self.0
    }

    /// Returns the names of its directories, and its last name; None for the root.
    pub fn split(&self) -> Option<(&[OsString], &OsStr)> {
        let (last, directories) = self.0.split_last()?;
        Some((directories, last))
    }

    /// Returns what it removes, if it is a whiteout; or that it is of a kind that means nothing here.
    ///
    /// # Errors
    ///
    /// It is a whiteout of nothing that could be.
    pub fn whiteout(&self) -> Result<Option<Whiteout>> {
        let is_whiteout = |name: &OsString| name.as_bytes().starts_with(WHITEOUT.as_bytes());
        let Some(first) = self.0.iter().position(is_whiteout) else { return Ok(None) };
        let removed = &self.0[first].as_bytes()[WHITEOUT.len()..];
        let is_last = first + 1 == self.0.len();
        let directory = self.0[..first].to_vec();
        if removed == b".wh..opq" && is_last {
            return Ok(Some(Whiteout::Opaque(Name(directory))));
        }
        if removed.starts_with(WHITEOUT.as_bytes()) {
            return Ok(Some(Whiteout::Nothing));
        }
        ensure!(is_last && !matches!(removed, b"" | b"." | b".."), "a whiteout of nothing");
        let name = OsStr::from_bytes(removed).to_owned();
        Ok(Some(Whiteout::Removed(Name([directory, vec![name]].concat()))))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().collect::<PathBuf>().fmt(f)
    }
}

/// What a layer says that is not in it: image-spec, "Whiteouts".
pub enum Whiteout {
    /// Nothing of this name shows from the layers below.
    Removed(Name),
    /// Nothing shows that the layers below have in this directory.
    Opaque(Name),
    /// What aufs kept for itself.
    Nothing,
}
