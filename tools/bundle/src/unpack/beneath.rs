//! A directory that nothing leads out of. Each step is taken with openat(2) from the one before, and no step is taken
//! over a link: what openat2(2) calls RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, on every kernel and in every container.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, fchmod, fchmodat, fstatat, futimens, mkdirat, mknodat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

use super::name::Name;

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// A directory that is being filled.
pub struct Root(OwnedFd);

impl Root {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// open(2).
    pub fn open(path: &Path) -> Result<Root> {
        Ok(Root(open(path, DIRECTORY, Mode::empty()).context("open the new directory")?))
    }

    /// Makes a directory, or leaves the one that is there; anything else gives way. Its owner can always use it.
    ///
    /// # Errors
    ///
    /// A directory above it is none, or a link; mkdirat(2).
    pub fn directory(&self, name: &Name, mode: u32) -> Result<()> {
        let Some((directories, last)) = name.split() else { return Ok(()) };
        let parent = self.make_all(directories)?;
        if !is_directory(&parent, last)? {
            remove(parent.as_fd(), last)?;
            mkdirat(&parent, last, Mode::S_IRWXU).context("make the directory")?;
        }
        let directory = openat(&parent, last, DIRECTORY, Mode::empty()).context("open")?;
        fchmod(&directory, without_others(mode, 0o700)).context("set its mode")
    }

    /// Makes a file. What is there gives way, and is not written to: it may be a link.
    ///
    /// # Errors
    ///
    /// A directory above it is none, or a link; openat(2); those of reading `data`, and of writing.
    pub fn file(&self, name: &Name, mode: u32, mtime: u64, data: &mut impl Read) -> Result<()> {
        let (parent, last) = self.place(name)?;
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&parent, last, flags, Mode::S_IRUSR | Mode::S_IWUSR);
        let mut file = File::from(file.context("make the file")?);
        io::copy(data, &mut file).context("write the file")?;
        fchmod(&file, without_others(mode, 0o600)).context("set its mode")?;
        // Some programs compare it with what they have written down.
        let time = TimeSpec::new(mtime.try_into().unwrap_or(0), 0);
        futimens(&file, &time, &time).context("set its time")
    }

    /// Makes a symbolic link. It may lead anywhere: here it is never followed, and in the container that is in there.
    ///
    /// # Errors
    ///
    /// A directory above it is none, or a link; symlinkat(2).
    pub fn symbolic_link(&self, name: &Name, target: &[u8]) -> Result<()> {
        let (parent, last) = self.place(name)?;
        symlinkat(OsStr::from_bytes(target), &parent, last).context("make the symbolic link")
    }

    /// Makes a second name for the file `target`.
    ///
    /// # Errors
    ///
    /// A directory above one of them is none, or a link; `target` is not there, or a directory; linkat(2).
    pub fn hard_link(&self, name: &Name, target: &Name) -> Result<()> {
        let link = || -> Result<()> {
            let (directories, of_target) = target.split().context("a directory")?;
            let directory = self.find(directories)?.context("not there")?;
            let (parent, last) = self.place(name)?;
            // Of a symbolic link it is a second name for the link.
            Ok(linkat(&directory, of_target, &parent, last, AtFlags::empty())?)
        };
        link().with_context(|| format!("a hard link to {target:?}"))
    }

    /// Makes a FIFO.
    ///
    /// # Errors
    ///
    /// A directory above it is none, or a link; mknodat(2).
    pub fn fifo(&self, name: &Name, mode: u32) -> Result<()> {
        let (parent, last) = self.place(name)?;
        let mode = without_others(mode, 0o600);
        mknodat(&parent, last, SFlag::S_IFIFO, mode, 0).context("make the FIFO")?;
        // Not as the umask has it.
        fchmodat(&parent, last, mode, FchmodatFlags::FollowSymlink).context("set its mode")
    }

    /// Removes a name and all below it, if it is there.
    ///
    /// # Errors
    ///
    /// A directory above it is none, or a link; unlinkat(2).
    pub fn remove(&self, name: &Name) -> Result<()> {
        let Some((directories, last)) = name.split() else { return self.clear(name) };
        match self.find(directories)? {
            Some(parent) => remove(parent.as_fd(), last),
            None => Ok(()),
        }
    }

    /// Removes all that is in a directory, if it is there.
    ///
    /// # Errors
    ///
    /// It is no directory, or a link, or one above it is; unlinkat(2).
    pub fn clear(&self, directory: &Name) -> Result<()> {
        match self.find(directory.names())? {
            Some(directory) => clear(directory),
            None => Ok(()),
        }
    }

    /// Makes a directory for a stage to mount on, if it is not there.
    ///
    /// # Errors
    ///
    /// Something else is there.
    pub fn mount_point(&self, name: &str) -> Result<()> {
        match mkdirat(&self.0, name, Mode::from_bits_truncate(0o755)) {
            Err(Errno::EEXIST) => {
                let is_directory = is_directory(&self.0, OsStr::new(name))?;
                ensure!(is_directory, "{name:?} is no directory: no stage can mount on it");
                Ok(())
            }
            made => made.with_context(|| format!("make {name:?}")),
        }
    }

    /// Returns the directory that `name` is to be in, and its last name there, where nothing is any more.
    fn place<'a>(&self, name: &'a Name) -> Result<(OwnedFd, &'a OsStr)> {
        let (directories, last) = name.split().context("it would be in the root's place")?;
        let parent = self.make_all(directories)?;
        remove(parent.as_fd(), last)?;
        Ok((parent, last))
    }

    /// Returns a directory, made if it is missing, with all above it.
    fn make_all(&self, names: &[OsString]) -> Result<OwnedFd> {
        let mut directory = self.0.try_clone().context("duplicate a descriptor")?;
        for name in names {
            match mkdirat(&directory, name.as_os_str(), Mode::from_bits_truncate(0o755)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno).with_context(|| format!("make {name:?}")),
            }
            directory = step(&directory, name)?;
        }
        Ok(directory)
    }

    /// Returns a directory, if it is there.
    fn find(&self, names: &[OsString]) -> Result<Option<OwnedFd>> {
        let mut directory = self.0.try_clone().context("duplicate a descriptor")?;
        for name in names {
            directory = match step(&directory, name) {
                Err(error) if error.downcast_ref() == Some(&Errno::ENOENT) => return Ok(None),
                directory => directory?,
            };
        }
        Ok(Some(directory))
    }
}

/// Enters a directory of this one.
fn step(directory: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
    openat(directory, name, DIRECTORY, Mode::empty()).with_context(|| {
        format!("{name:?} above it is no directory; through a link nothing is written")
    })
}

fn is_directory(parent: &OwnedFd, name: &OsStr) -> Result<bool> {
    match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(false),
        stat => Ok(stat.context("stat")?.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits()),
    }
}

/// Removes a name and all below it, if it is there.
fn remove(parent: BorrowedFd, name: &OsStr) -> Result<()> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::EISDIR) => {
            clear(openat(parent, name, DIRECTORY, Mode::empty()).context("open")?)?;
            unlinkat(parent, name, UnlinkatFlags::RemoveDir).context("remove a directory")
        }
        Err(errno) => Err(errno).with_context(|| format!("remove {name:?}")),
    }
}

fn clear(directory: OwnedFd) -> Result<()> {
    let mut directory = Dir::from_fd(directory).context("read a directory")?;
    let names: Result<Vec<_>, _> = directory
        .iter()
        .map(|entry| entry.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()))
        .collect();
    let names = names.context("read a directory")?;
    let mut names = names.iter().filter(|name| *name != "." && *name != "..");
    names.try_for_each(|name| remove(directory.as_fd(), name))
}

/// Returns a mode without set-user-ID bits, and without the right to write for others: on the host the files are somebody's
/// who is not asked. Their owner has at least `owner`.
fn without_others(mode: u32, owner: u32) -> Mode {
    Mode::from_bits_truncate(mode & 0o755 | owner)
}
