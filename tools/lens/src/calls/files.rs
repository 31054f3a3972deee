//! Calls on files: id maps, sysctls and cgroups are files.

use std::path::Path;

use nix::libc;

use super::{Entry, Shown};
use crate::descriptor::{self, FileSystem};
use crate::filter::LONGEST_WRITE;
use crate::text::{always_quoted, quoted};

/// write PATH "TEXT", for files that make a container
pub fn write(entry: &Entry) -> Option<Shown> {
    let file = Written::to(entry)?;
    let length = entry.args[2].min(LONGEST_WRITE.into()) as usize;
    Some(file.shown(&entry.memory().bytes(entry.args[1], length)?))
}

/// write PATH "TEXT", of several pieces
pub fn writev(entry: &Entry) -> Option<Shown> {
    let file = Written::to(entry)?;
    let mut text = Vec::new();
    for index in 0..entry.args[2].min(64) {
        // struct iovec: an address and a length.
        let piece = entry.args[1] + 16 * index;
        let (address, length) = (entry.memory().word(piece)?, entry.memory().word(piece + 8)?);
        let room = LONGEST_WRITE as usize - text.len().min(LONGEST_WRITE as usize);
        text.extend(entry.memory().bytes(address, (length as usize).min(room))?);
    }
    Some(file.shown(&text))
}

/// A file that makes a container when it is written to.
struct Written {
    path: String,
    man: &'static str,
    chapter: Option<&'static str>,
}

impl Written {
    fn to(entry: &Entry) -> Option<Written> {
        let path = descriptor::path(entry.task, entry.int(0))?;
        // Most writes are to terminals and pipes.
        if !path.is_absolute() || path.starts_with("/dev") {
            return None;
        }
        let way = format!("/proc/{}/fd/{}", entry.task, entry.int(0));
        let (man, chapter) = match descriptor::file_system(Path::new(&way))? {
            FileSystem::Cgroup => ("cgroups(7)", Some("08-cgroups.md#limit")),
            FileSystem::Proc => in_proc(&path)?,
            FileSystem::Other => return None,
        };
        Some(Written { path: quoted(path.as_os_str().as_encoded_bytes()), man, chapter })
    }

    fn shown(self, text: &[u8]) -> Shown {
        const LONGEST: usize = 80;
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let more = if text.len() > LONGEST { "…" } else { "" };
        let text = always_quoted(&text[..text.len().min(LONGEST)]);
        let shown = Shown::from(format!("write {} {text}{more}", self.path));
        Shown { man: Some(self.man), chapter: self.chapter, ..shown }
    }
}

/// Returns the man page and the place in the book for a file of proc(5) that makes a container.
fn in_proc(path: &Path) -> Option<(&'static str, Option<&'static str>)> {
    let user = "user_namespaces(7)";
    Some(match path.file_name()?.to_str()? {
        "uid_map" | "gid_map" | "projid_map" => (user, Some("05-user.md#maps")),
        "setgroups" => (user, Some("05-user.md#setgroups")),
        "timens_offsets" => ("time_namespaces(7)", None),
        "oom_score_adj" => ("proc_pid_oom_score_adj(5)", None),
        // An LSM's label for the next program: proc_pid_attr(5).
        "exec" => ("proc_pid_attr(5)", None),
        // Wherever this proc is mounted.
        _ if path.components().any(|component| component.as_os_str() == "sys") => {
            ("proc_sys(5)", None)
        }
        _ => return None,
    })
}

/// mkdir(PATH) of a cgroup
#[cfg(target_arch = "x86_64")]
pub fn mkdir(entry: &Entry) -> Option<Shown> {
    cgroup(entry, libc::AT_FDCWD, 0).then(|| format!("mkdir({})", entry.path(0)).into())
}

/// mkdirat(PATH) of a cgroup
pub fn mkdirat(entry: &Entry) -> Option<Shown> {
    cgroup(entry, entry.int(0), 1).then(|| format!("mkdirat({})", entry.path_at(0, 1)).into())
}

/// rmdir(PATH) of a cgroup
#[cfg(target_arch = "x86_64")]
pub fn rmdir(entry: &Entry) -> Option<Shown> {
    cgroup(entry, libc::AT_FDCWD, 0).then(|| format!("rmdir({})", entry.path(0)).into())
}

/// unlinkat(PATH, AT_REMOVEDIR) of a cgroup
pub fn unlinkat(entry: &Entry) -> Option<Shown> {
    let directory = entry.int(2) & libc::AT_REMOVEDIR != 0;
    (directory && cgroup(entry, entry.int(0), 1))
        .then(|| format!("unlinkat({}, AT_REMOVEDIR)", entry.path_at(0, 1)).into())
}

/// Whether the directory of a path is one of a cgroup file system.
fn cgroup(entry: &Entry, from: i32, path: usize) -> bool {
    let Some(path) = entry.memory().text(entry.args[path]) else { return false };
    let way = descriptor::reach(entry.task, from, &path);
    way.parent().and_then(descriptor::file_system) == Some(FileSystem::Cgroup)
}
