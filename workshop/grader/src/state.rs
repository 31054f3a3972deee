//! What of the throw-away host a learner's function may not leave otherwise than it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::quote::escaped;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::{Pid, getpid};
use serde_json::Value;
use testbed::snapshot::{Part, Snapshot};
use testbed::{network, probe};

use crate::own::{self, Lines};
use crate::queues;

/// The one place of the host where files can be written.
const FILES: &str = "/tmp";

/// What has the ports of a network namespace that are taken: proc_pid_net(5).
const PORTS: [&str; 6] = ["tcp", "tcp6", "udp", "udp6", "raw", "unix"];

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
const SETTINGS: [&str; 15] = [
    "fs/mqueue",
    "kernel",
    "net/core",
    "net/ipv4",
    "net/ipv4/neigh/default",
    "net/ipv4/route",
    "net/netfilter",
    "net/ipv4/conf/all",
    "net/ipv4/conf/default",
    "net/ipv4/conf/lo",
    "net/ipv6",
    "net/ipv6/conf/all",
    "net/ipv6/conf/default",
    "net/unix",
    "user",
];

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
    /// What they are called, whether they are stopped, and what others can have set of them.
    processes: BTreeMap<Pid, (String, Lines)>,
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
        lines.extend(network::details().unwrap_or_default());
        let counts = socket_counts();
        let used = PORTS.iter().filter(|table| has_sockets(&counts, table));
        used.for_each(|table| add_ports(table, &mut lines));
        SETTINGS.iter().for_each(|directory| add_settings(directory, &mut lines));
        lines.extend(queues::of_the_host().iter().map(queue));
        if let Some(cgroup) = cgroup {
            // The host's own processes are in one beside it.
            let beside = cgroup.with_file_name("host");
            add_limits(cgroup, &beside, &mut lines);
            add_limits(&beside, &beside, &mut lines);
        }
        State {
            snapshot: Snapshot::take(None),
            lines,
            processes: probe::processes()
                .into_iter()
                .map(|pid| (pid, (described(pid), own::set_by_others(pid))))
                .collect(),
            cgroup: cgroup.map(Path::to_owned),
        }
    }

    /// Returns what is otherwise now, a line each, as in `+ file: /tmp/deeper, a directory` or `- mount: ...`.
    ///
    /// - `own`: a process that is there of right, with all that come from it.
    pub(crate) fn changes(&self, own: Pid) -> Vec<String> {
        let now = State::take(self.cgroup.as_deref());
        let changes = self.snapshot.changes_to(&now.snapshot);
        let is_table = |line: &&String| line.starts_with("{\"table\":");
        let lines = changes.new.iter().map(|(_, line)| line).filter(is_table);
        let tables: BTreeSet<_> = lines.filter_map(|line| table(line)).collect();
        let parts = [('-', changes.gone), ('+', changes.new)];
        let mut found = Vec::new();
        for (sign, lines) in parts {
            let own = lines.into_iter().filter(|(part, line)| is_the_hosts(*part, line));
            found.extend(own.map(|(part, line)| told(sign, part, &line, &tables)));
        }
        found.extend(self.lines.difference(&now.lines).map(|line| format!("- {line}")));
        found.extend(now.lines.difference(&self.lines).map(|line| format!("+ {line}")));
        found.extend(self.touched(&now, own));
        let children = probe::descendants(own).into_iter();
        found.extend(
            children
                .map(described)
                .filter(|child| !child.is_empty())
                .map(|child| format!("+ child: {child}")),
        );
        found.extend(
            self.strangers(own)
                .into_iter()
                .map(|pid| format!("+ process: {pid}, {}", probe::read(pid, "comm").trim_end())),
        );
        found
    }

    /// Returns the processes of the host that have gone, are stopped, or have other limits and the like.
    ///
    /// - `own`: one of which that is told otherwise.
    fn touched(&self, now: &State, own: Pid) -> Vec<String> {
        let mut touched = Vec::new();
        for (pid, (name, lines)) in self.processes.iter().filter(|(pid, _)| **pid != own) {
            match now.processes.get(pid) {
                None => touched.push(format!("- process: {pid}, {name}")),
                Some((now, _)) if now != name => touched.push(format!("+ process: {pid}, {now}")),
                Some((_, now)) => touched.extend(now.difference(lines).map(|line| {
                    format!("+ process: {pid}, {name}, its {}", &line["own ".len()..])
                })),
            }
        }
        touched
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

/// Returns a change as a line, which begins with a name: that of a mount is its place.
///
/// - `tables`: those of nft(8) that are new.
fn told(sign: char, part: Part, line: &str, tables: &BTreeSet<String>) -> String {
    match part {
        Part::Mounts => {
            let place = line.split(' ').nth(4).unwrap_or_default().replace(',', "\\,");
            format!("{sign} {part}: {place}, {line}")
        }
        Part::NftRules if !table(line).is_some_and(|table| tables.contains(&table)) => {
            format!("{sign} {part} in a table of others: {line}")
        }
        _ => format!("{sign} {part}: {line}"),
    }
}

/// Returns the table that something of nft(8) is, or is in, if it is something of nft(8): libnftables-json(5).
fn table(line: &str) -> Option<String> {
    let object: Value = serde_json::from_str(line).ok()?;
    let (kind, object) = object.as_object()?.iter().next()?;
    let name = if kind == "table" { &object["name"] } else { &object["table"] };
    Some(format!("{} {name}", object["family"]))
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

/// Whether nobody but the function can have changed it. The queues in /dev/mqueue are the machine's (the host's own are in
/// [`queues`]), and link-local addresses come by themselves, but for `lo`.
fn is_the_hosts(part: Part, line: &str) -> bool {
    match part {
        Part::PosixMessageQueues => false,
        Part::Addresses | Part::Routes => !line.contains("fe80:") || line.contains(" dev lo"),
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
            let start = String::from_utf8_lossy(&text[..text.len().min(100)]).into_owned();
            // Who writes and writes back has changed the time.
            let (seconds, rest) = (file.ctime(), file.ctime_nsec());
            let (bytes, links) = (file.len(), file.nlink());
            format!("{start:?}, {bytes} bytes, {links} links, changed at {seconds}.{rest:09}")
        } else {
            let target = fs::read_link(&path).unwrap_or_default();
            format!("no plain file, device {}, {target:?}", file.rdev())
        };
        let mode = file.permissions().mode() & 0o7777;
        // A comma ends a name.
        let path = escaped(&path.display().to_string()).replace(',', "\\,");
        let (user, group) = (file.uid(), file.gid());
        lines.insert(format!("file: {path}, {kind}, mode {mode:o}, of {user} and {group}"));
        if file.is_dir() {
            add_files(&entry.path(), lines);
        }
    }
}

/// Adds the ports of a table in /proc/self/net that somebody listens on, or waits at.
fn add_ports(table: &str, lines: &mut BTreeSet<String>) {
    /// A connection, and what is left of one, are no ports that are taken: TCP_LISTEN, and TCP_CLOSE for UDP.
    const TAKEN: [&str; 2] = ["0A", "07"];
    let text = fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default();
    for line in text.lines().skip(1) {
        let columns: Vec<_> = line.split_whitespace().collect();
        // A socket of the file system has a name or none.
        let place = if table == "unix" { columns.get(7) } else { columns.get(1) };
        let taken = table == "unix" || columns.get(3).is_some_and(|state| TAKEN.contains(state));
        if let Some(place) = place.filter(|_| taken) {
            lines.insert(format!("port: {table} {place}"));
        }
    }
}

/// Returns how many sockets of each kind a network namespace has, a line for each.
fn socket_counts() -> String {
    let files = ["sockstat", "sockstat6"].map(|file| format!("/proc/self/net/{file}"));
    files.map(|file| fs::read_to_string(file).unwrap_or_default()).concat()
}

/// Whether there can be a socket in a table. The kernel has one table of TCP for all namespaces, and goes through hundreds of
/// thousands of rows to show what one of them has.
///
/// - `counts`: those of [`socket_counts`].
fn has_sockets(counts: &str, table: &str) -> bool {
    let none = format!("{}: inuse 0", table.to_uppercase());
    !counts.lines().any(|line| line == none || line.starts_with(&format!("{none} ")))
}

/// Returns what the namespaces have that this process is in, but for its mounts: a line each.
pub(crate) fn of_namespaces() -> Vec<String> {
    const PARTS: [Part; 8] = [
        Part::Hostname,
        Part::DomainName,
        Part::Links,
        Part::Addresses,
        Part::Routes,
        Part::MessageQueues,
        Part::Semaphores,
        Part::SharedMemory,
    ];
    let snapshot = Snapshot::take_parts(&PARTS, None);
    let own = snapshot.all().filter(|(part, line)| is_the_hosts(*part, line));
    let mut lines: BTreeSet<_> = own.map(|(part, line)| format!("{part}: {line}")).collect();
    lines.extend(network::details().unwrap_or_default());
    SETTINGS.iter().for_each(|directory| add_settings(directory, &mut lines));
    lines.extend(queues::here().iter().map(queue));
    lines.into_iter().collect()
}

fn queue(name: &String) -> String {
    format!("{}: {name}", Part::PosixMessageQueues)
}

/// Adds the settings in a directory of /proc/sys.
fn add_settings(directory: &str, lines: &mut BTreeSet<String>) {
    // That one counts what others do.
    let is_wanted = |name: &str| {
        name != "nf_conntrack_count" && (directory != "kernel" || OF_IPC.contains(&name))
    };
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

/// Adds the limits of a cgroup and of those below it. Of the one that is called `container` those are told that are others than
/// the ones of the cgroup beside, which nobody has set.
fn add_limits(cgroup: &Path, beside: &Path, lines: &mut BTreeSet<String>) {
    let limit = |cgroup: &Path, file| fs::read_to_string(cgroup.join(file)).ok();
    for cgroup in testbed::cgroup::tree(cgroup) {
        let is_container = cgroup.iter().any(|name| name == "container");
        if !is_container {
            lines.insert(format!("cgroup: {}", cgroup.display()));
        }
        for file in LIMITS {
            let Some(text) = limit(&cgroup, file) else { continue };
            if !is_container {
                lines.insert(format!("limit: {}, {}", cgroup.join(file).display(), text.trim()));
            } else if limit(beside, file).is_some_and(|unset| unset != text) {
                lines.insert(format!("container's limit: {file}, {}", text.trim()));
            }
        }
    }
}
