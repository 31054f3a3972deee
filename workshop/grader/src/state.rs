//! What of the throw-away host a learner's function may not leave otherwise than it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::{Pid, getpid};
use testbed::probe;
use testbed::snapshot::{Part, Snapshot};

/// The one place of the host where files can be written.
const FILES: &str = "/tmp";

/// Limits of a cgroup, on v2 and on v1.
const LIMITS: [&str; 23] = [
    "cgroup.freeze",
    "cgroup.max.depth",
    "cgroup.max.descendants",
    "cgroup.subtree_control",
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.idle",
    "cpu.max",
    "cpu.shares",
    "cpu.weight",
    "freezer.state",
    "memory.high",
    "memory.limit_in_bytes",
    "memory.low",
    "memory.max",
    "memory.memsw.limit_in_bytes",
    "memory.min",
    "memory.oom.group",
    "memory.soft_limit_in_bytes",
    "memory.swap.max",
    "memory.swappiness",
    "notify_on_release",
    "pids.max",
];

/// Settings of what a namespace has of its own, below /proc/sys: proc_sys(5). (Those of one device, and what follows from
/// others, are left out.)
const SETTINGS: [&str; 6] = ["fs/mqueue", "kernel", "net/core", "net/ipv4", "net/unix", "user"];

/// Those of the kernel's that a namespace has: ipc_namespaces(7).
const OF_IPC: [&str; 9] = [
    "auto_msgmni",
    "msgmax",
    "msgmnb",
    "msgmni",
    "sem",
    "shm_rmid_forced",
    "shmall",
    "shmmax",
    "shmmni",
];

/// The host at one moment.
pub(crate) struct State {
    snapshot: Snapshot,
    /// Files, settings and limits, a line each, as in `file: /tmp/letter, 10 bytes, mode 644, of 0 and 0`.
    lines: BTreeSet<String>,
    /// What they are called, and whether they are stopped.
    processes: BTreeMap<Pid, String>,
    cgroup: Option<PathBuf>,
}

impl State {
    /// Looks at the host that this process is on.
    ///
    /// - `cgroup`: the one that the test has been given.
    pub(crate) fn take(cgroup: Option<&Path>) -> State {
        let mut lines = BTreeSet::new();
        // What is mounted over it is told as a mount, and may be as large as the machine.
        if statfs(FILES).is_ok_and(|files| files.filesystem_type() == TMPFS_MAGIC) {
            add_files(Path::new(FILES), &mut lines);
        }
        SETTINGS.iter().for_each(|directory| add_settings(directory, &mut lines));
        // The host's own processes are in one beside it.
        let beside = cgroup.map(|cgroup| cgroup.with_file_name("host"));
        for directory in cgroup.into_iter().chain(beside.as_deref()) {
            add_limits(directory, &mut lines);
        }
        State {
            snapshot: Snapshot::take(None),
            lines,
            processes: probe::processes().into_iter().map(|pid| (pid, described(pid))).collect(),
            cgroup: cgroup.map(Path::to_owned),
        }
    }

    /// Returns what is otherwise now, a line each, as in `+ file: /tmp/deeper, a directory` or `- mount: ...`.
    ///
    /// - `own`: a process that is there of right, with all that come from it.
    pub(crate) fn changes(&self, own: Pid) -> Vec<String> {
        let now = State::take(self.cgroup.as_deref());
        let changes = self.snapshot.changes();
        let parts = [('-', changes.gone), ('+', changes.new)];
        let mut found = Vec::new();
        for (sign, lines) in parts {
            let own = lines.into_iter().filter(|(part, line)| is_the_hosts(*part, line));
            found.extend(own.map(|(part, line)| format!("{sign} {part}: {line}")));
        }
        found.extend(self.lines.difference(&now.lines).map(|line| format!("- {line}")));
        found.extend(now.lines.difference(&self.lines).map(|line| format!("+ {line}")));
        found.extend(self.touched(&now));
        found.extend(
            self.strangers(own)
                .into_iter()
                .map(|pid| format!("+ process: {pid}, {}", probe::read(pid, "comm").trim_end())),
        );
        found
    }

    /// Returns the processes of the host that have gone, or are stopped.
    fn touched(&self, now: &State) -> Vec<String> {
        let touched =
            self.processes.iter().filter_map(|(pid, before)| match now.processes.get(pid) {
                None => Some(format!("- process: {pid}, {before}")),
                Some(after) if after != before => Some(format!("+ process: {pid}, {after}")),
                Some(_) => None,
            });
        touched.collect()
    }

    /// Returns the processes that have come and whose parents have ended. One that is about to end is given time.
    fn strangers(&self, own: Pid) -> Vec<Pid> {
        let strangers = || {
            let known: BTreeSet<_> = probe::descendants(own).into_iter().chain([own]).collect();
            let of_the_test: BTreeSet<_> = probe::descendants(getpid()).into_iter().collect();
            let all = probe::processes().into_iter();
            all.filter(|pid| !self.processes.contains_key(pid) && !known.contains(pid))
                // An orphan is a child of process 1, and not of the test.
                .filter(|pid| !of_the_test.contains(pid))
                .filter(|pid| !probe::read(*pid, "comm").is_empty())
                .collect::<Vec<_>>()
        };
        for _ in 0..20 {
            if strangers().is_empty() {
                return Vec::new();
            }
            thread::sleep(Duration::from_millis(25));
        }
        strangers()
    }
}

/// Returns what a process is called, and whether it is stopped or a zombie: proc_pid_stat(5).
fn described(pid: Pid) -> String {
    let stat = probe::read(pid, "stat");
    // The name is in parentheses, and may have some in it.
    let (before, after) = stat.rsplit_once(") ").unwrap_or_default();
    let name = before.split_once('(').map_or("", |(_, name)| name);
    match after.chars().next() {
        Some('T' | 't') => format!("{name}, stopped"),
        Some('Z') => format!("{name}, a zombie"),
        _ => name.to_owned(),
    }
}

/// Whether nobody but the function can have changed it. The queues in /dev/mqueue are the machine's, and link-local
/// addresses come by themselves.
fn is_the_hosts(part: Part, line: &str) -> bool {
    match part {
        Part::PosixMessageQueues => false,
        Part::Addresses | Part::Routes => !line.contains("fe80:"),
        _ => true,
    }
}

/// Adds what is in a directory, down to where something else is mounted.
fn add_files(directory: &Path, lines: &mut BTreeSet<String>) {
    let device = |path: &Path| fs::symlink_metadata(path).map(|file| file.dev()).ok();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if device(&path) != device(directory) {
            continue;
        }
        let Ok(file) = fs::symlink_metadata(&path) else { continue };
        let kind = if file.is_dir() {
            "a directory".to_owned()
        } else if file.is_file() {
            let text = fs::read(&path).unwrap_or_default();
            format!("{:?}", String::from_utf8_lossy(&text[..text.len().min(100)]))
        } else {
            "no plain file".to_owned()
        };
        let (path, mode) = (path.display(), file.permissions().mode() & 0o7777);
        lines.insert(format!(
            "file: {path}, {kind}, mode {mode:o}, of {} and {}",
            file.uid(),
            file.gid()
        ));
        if file.is_dir() {
            add_files(&entry.path(), lines);
        }
    }
}

/// Adds the settings in a directory of /proc/sys.
fn add_settings(directory: &str, lines: &mut BTreeSet<String>) {
    let is_wanted = |name: &str| directory != "kernel" || OF_IPC.contains(&name);
    for entry in
        fs::read_dir(Path::new("/proc/sys").join(directory)).into_iter().flatten().flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_wanted(&name) {
            continue;
        }
        // There are directories for single devices, too.
        if let Ok(value) = fs::read_to_string(entry.path()) {
            let place = directory.replace('/', ".");
            lines.insert(format!("setting: {place}.{name} = {}", value.trim()));
        }
    }
}

/// Adds the limits of a cgroup and of those below it. The one that is called `container` is no business of the host's.
fn add_limits(cgroup: &Path, lines: &mut BTreeSet<String>) {
    let all = testbed::cgroup::tree(cgroup);
    for cgroup in all.iter().filter(|cgroup| !cgroup.iter().any(|name| name == "container")) {
        lines.insert(format!("cgroup: {}", cgroup.display()));
        for file in LIMITS {
            if let Ok(limit) = fs::read_to_string(cgroup.join(file)) {
                lines.insert(format!("limit: {}, {}", cgroup.join(file).display(), limit.trim()));
            }
        }
    }
}
