//! What /proc says about a process that is stopped: proc(5).

use std::collections::BTreeMap;
use std::fs;

use nix::unistd::Pid;

/// The kinds of namespaces, by the names of their files in /proc/PID/ns and the names that they are shown with.
const KINDS: [(&str, &str); 8] = [
    ("mnt", "mnt"),
    ("uts", "uts"),
    // Its own, and not pid_for_children: a process never leaves the one that it was born in.
    ("pid", "pid"),
    ("ipc", "ipc"),
    ("user", "user"),
    ("net", "net"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

/// The namespaces that a task is in: kind to inode, as in `uts:[4026531838]`. Those that can't be read are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(BTreeMap<&'static str, String>);

impl Namespaces {
    /// Returns those of a task.
    pub fn of(task: Pid) -> Namespaces {
        let link = |(file, kind)| {
            let target = fs::read_link(format!("/proc/{task}/ns/{file}")).ok()?;
            Some((kind, target.to_string_lossy().into_owned()))
        };
        Namespaces(KINDS.into_iter().filter_map(link).collect())
    }

    /// Returns the kinds in which these are others than `before`, in the order of the list above.
    pub fn new_since(&self, before: &Namespaces) -> Vec<&'static str> {
        let differs = |kind: &&str| match (self.0.get(kind), before.0.get(kind)) {
            (Some(now), Some(then)) => now != then,
            _ => false,
        };
        KINDS.into_iter().map(|(_, kind)| kind).filter(differs).collect()
    }
}

/// What a task is called, and whose it is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The process (thread group) that the task belongs to, as this program sees it.
    pub process: Pid,
    /// The process as it sees itself: its id in the PID namespace that it was born in.
    pub own_pid: i32,
    /// The parent, as this program sees it.
    pub parent: Pid,
}

impl Identity {
    /// Reads it from /proc/PID/status: none when the task is gone.
    pub fn of(task: Pid) -> Option<Identity> {
        let status = fs::read_to_string(format!("/proc/{task}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().map(|id| id.parse().ok()).collect::<Option<Vec<i32>>>()
        };
        // From the PID namespace of this /proc to the innermost.
        let ids = field("NStgid:")?;
        Some(Identity {
            process: Pid::from_raw(*field("Tgid:")?.first()?),
            own_pid: *ids.last()?,
            parent: Pid::from_raw(*field("PPid:")?.first()?),
        })
    }
}

/// Returns the name of a task: what ps(1) shows of it, at most 15 bytes.
pub fn name(task: Pid) -> Option<String> {
    let name = fs::read(format!("/proc/{task}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end_matches('\n').to_string())
}
