//! A directory as a layer: a tar archive that is the same whoever makes it, and whenever.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat};
use nix::libc::dev_t;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use tar::{Builder, EntryType, Header};

use crate::interrupt::Interruptible;

/// Begins the name of what a layer has in the place of something that it removes. No file can be called so.
pub const WHITEOUT: &str = ".wh.";

/// A layer that is being written.
pub type Layer<'a> = Builder<&'a mut dyn Write>;

/// Adds all that is in `directory` to the layer, in the order of its names, as root's, and without times.
///
/// It is read by descriptors that follow no link: a container may be running in it. What is mounted in it is left out.
///
/// # Errors
///
/// Something cannot be read, is a device, or has a name that would be a whiteout.
pub fn add_directory(layer: &mut Layer, directory: &Path) -> Result<()> {
    let said = || format!("root directory {directory:?}");
    let root = open(directory, DIRECTORY, Mode::empty()).with_context(said)?;
    let device = fstat(&root).with_context(said)?.st_dev;
    Walk { layer, device }.children(root, Path::new("")).with_context(said)
}

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

struct Walk<'a, 'b> {
    layer: &'a mut Layer<'b>,
    /// The file system of the root directory.
    device: dev_t,
}

impl Walk<'_, '_> {
    /// Adds what is in the directory that is called `path` in the layer.
    fn children(&mut self, directory: OwnedFd, path: &Path) -> Result<()> {
        let mut directory = Dir::from_fd(directory).with_context(|| format!("read {path:?}"))?;
        let mut names = Vec::new();
        for entry in directory.iter() {
            let entry = entry.with_context(|| format!("read {path:?}"))?;
            names.push(name(entry.file_name()));
        }
        names.sort();
        for name in names.iter().filter(|name| *name != "." && *name != "..") {
            let path = path.join(name);
            self.entry(directory.as_fd(), name, &path).with_context(|| format!("{path:?}"))?;
        }
        Ok(())
    }

    fn entry(&mut self, parent: BorrowedFd, name: &OsStr, path: &Path) -> Result<()> {
        ensure!(!name.as_bytes().starts_with(WHITEOUT.as_bytes()), "in an image, it is a whiteout");
        let stat = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).context("stat")?;
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => self.directory(parent, name, path, &stat),
            SFlag::S_IFREG => self.file(parent, name, path),
            SFlag::S_IFLNK => {
                let target = PathBuf::from(readlinkat(parent, name).context("read the link")?);
                let mut header = header(EntryType::Symlink, 0o777, 0);
                self.layer.append_link(&mut header, path, target).context("write a layer")
            }
            SFlag::S_IFIFO => {
                let mut header = header(EntryType::Fifo, stat.st_mode, 0);
                self.layer.append_data(&mut header, path, &[][..]).context("write a layer")
            }
            // Whoever has bound it is not in the image.
            SFlag::S_IFSOCK => Ok(()),
            _ => bail!("a device has no place in an image"),
        }
    }

    fn directory(
        &mut self,
        parent: BorrowedFd,
        name: &OsStr,
        path: &Path,
        stat: &FileStat,
    ) -> Result<()> {
        let mut header = header(EntryType::Directory, stat.st_mode, 0);
        self.layer.append_data(&mut header, path.join(""), &[][..]).context("write a layer")?;
        let directory = openat(parent, name, DIRECTORY, Mode::empty()).context("open")?;
        // The /proc of a container of stage 03 is mounted for the whole host.
        if fstat(&directory).context("stat")?.st_dev == self.device {
            self.children(directory, path)?;
        }
        Ok(())
    }

    fn file(&mut self, parent: BorrowedFd, name: &OsStr, path: &Path) -> Result<()> {
        // What was a file a moment ago may be something that waits to be opened.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(parent, name, flags, Mode::empty()).context("open")?);
        let metadata = file.metadata().context("stat")?;
        ensure!(metadata.is_file(), "it was a file, and is none any more");
        let size = metadata.len();
        let mut header = header(EntryType::Regular, fstat(&file).context("stat")?.st_mode, size);
        let mut data = Interruptible(file.take(size));
        self.layer.append_data(&mut header, path, &mut data).context("write a layer")?;
        ensure!(data.0.limit() == 0, "it became shorter while it was read");
        Ok(())
    }
}

fn name(name: &CStr) -> OsString {
    OsStr::from_bytes(name.to_bytes()).to_owned()
}

/// Returns the header of something that is root's and has no time.
pub fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode & 0o7777);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
