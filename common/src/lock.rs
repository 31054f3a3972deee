//! Turns: what one process at a time may do.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::{major, minor};
use nix::unistd::geteuid;

use crate::signals;

/// Where root's locks are: who can't write there can't open what root has made there for itself.
const DIRECTORY: &str = "/run";

/// How long a process waits before it says whom it waits for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a waiting process looks again.
const PAUSE: Duration = Duration::from_millis(20);

/// A turn, which ends when this is dropped, and with the process at the latest: flock(2).
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
    /// Root's file, to be removed.
    path: Option<PathBuf>,
}

impl Lock {
    /// Waits for a turn. After a second a warning says whose turn it is. SIGTERM and SIGHUP end the wait.
    ///
    /// Whoever has a local file open, if only to read, may lock it for themselves: flock(2). (On NFS and SMB it has to be
    /// open for writing.) So anybody could make root wait as long as they like, were it a file that anybody can open. So
    /// root has one of its own, in /run, which goes with the last turn.
    ///
    /// - `name`: what the processes take turns at, without a slash.
    /// - `of`: what it is done to. Others than root lock this file itself, and so does root where /run can't be
    ///   written to.
    ///
    /// # Errors
    ///
    /// open(2), flock(2); the wait was ended by a signal.
    pub fn take(name: &str, of: &Path) -> Result<Lock> {
        let number = of.metadata().with_context(|| said("find", of))?.ino();
        let path = Path::new(DIRECTORY).join(format!("{name}-{number}.lock"));
        loop {
            let (file, path) = match open_roots(&path) {
                Some(file) => (file, Some(path.clone())),
                None => (File::open(of).with_context(|| said("open", of))?, None),
            };
            let file = wait(file, path.as_deref().unwrap_or(of))?;
            // Whoever had it before may have removed it meanwhile.
            if path.as_ref().is_none_or(|path| is_same(&file, path)) {
                return Ok(Lock { file, path });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(path) = self.path.as_ref().filter(|path| is_same(&self.file, path)) {
            // It is there for the next turn, if this fails.
            let _ = fs::remove_file(path);
        }
    }
}

/// Opens, or makes, a file that root alone can open.
fn open_roots(path: &Path) -> Option<File> {
    if !geteuid().is_root() {
        return None;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    options.open(path).ok()
}

/// Whether `path` leads to this file.
fn is_same(file: &File, path: &Path) -> bool {
    let (Ok(file), Ok(path)) = (file.metadata(), path.symlink_metadata()) else { return false };
    (file.dev(), file.ino()) == (path.dev(), path.ino())
}

fn wait(mut file: File, path: &Path) -> Result<Flock<File>> {
    let (start, signals) = (Instant::now(), signals::count());
    let mut has_said = false;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((file, Errno::EWOULDBLOCK)) => file,
            Err((_, errno)) => return Err(errno).with_context(|| said("lock", path)),
        };
        if signals::count() != signals {
            bail!(
                "a signal has ended the wait for a lock on {}, which {} has",
                path.display(),
                holder(&file)
            );
        }
        if !has_said && start.elapsed() > PATIENCE {
            log::warn!("waiting for a lock on {}, which {} has", path.display(), holder(&file));
            has_said = true;
        }
        thread::sleep(PAUSE);
    }
}

/// Returns who has a lock on a file: /proc/locks, proc_locks(5).
fn holder(file: &File) -> String {
    let Ok(metadata) = file.metadata() else { return "another process".into() };
    let (device, inode) = (metadata.dev(), metadata.ino());
    let id = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let process = locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.contains(&id.as_str()).then(|| words.get(4).map(|pid| pid.to_string()))?
    });
    match process {
        Some(pid) => {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("process {pid} ({})", name.trim_end().escape_debug())
        }
        None => "another process".into(),
    }
}

fn said(what: &str, path: &Path) -> String {
    format!("{what} {}", path.display())
}
