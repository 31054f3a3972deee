//! What of a host a stage could change, and must leave as it was.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use super::cgroup;

/// The state of this process's host, or of the namespaces that play one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is about, and its lines, sorted.
    parts: BTreeMap<&'static str, Vec<String>>,
}

impl Snapshot {
    /// Takes a snapshot of what this process sees.
    pub fn take() -> Snapshot {
        // Where a host has no such file, as without IPv6, there is nothing.
        let lines = |file: &str| -> Vec<String> {
            fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
        };
        let parts = [
            ("hostname", vec![super::hostname()]),
            ("domain name", lines("/proc/sys/kernel/domainname")),
            ("mounts", lines("/proc/self/mountinfo")),
            // The other columns count packets.
            (
                "links",
                map(lines("/proc/self/net/dev"), |line| {
                    Some(line.split_once(':')?.0.trim().into())
                }),
            ),
            ("addresses", local_addresses(&lines("/proc/self/net/fib_trie"))),
            ("IPv6 addresses", lines("/proc/self/net/if_inet6")),
            (
                "routes",
                map(lines("/proc/self/net/route"), |line| {
                    (!line.starts_with("Iface")).then(|| line.to_owned())
                }),
            ),
            // Some columns count references.
            (
                "IPv6 routes",
                map(lines("/proc/self/net/ipv6_route"), |line| {
                    let columns: Vec<_> = line.split_whitespace().collect();
                    Some([columns.get(..6)?, columns.get(9..)?].concat().join(" "))
                }),
            ),
            ("message queues", lines("/proc/sysvipc/msg")),
            ("semaphores", lines("/proc/sysvipc/sem")),
            ("shared memory", lines("/proc/sysvipc/shm")),
            ("cgroups", cgroups()),
        ];
        let sorted = |(part, mut lines): (&'static str, Vec<String>)| {
            lines.sort();
            (part, lines)
        };
        Snapshot { parts: parts.into_iter().map(sorted).collect() }
    }

    /// Returns what is in `self` and not in `other`.
    fn minus(&self, other: &Snapshot) -> Vec<String> {
        let mut lines = Vec::new();
        for (part, here) in &self.parts {
            let there = &other.parts[part];
            lines.extend(
                here.iter()
                    .filter(|line| !there.contains(line))
                    .map(|line| format!("{part}: {line}")),
            );
        }
        lines
    }

    /// Returns what has changed since this snapshot was taken.
    pub fn changes(&self) -> Changes {
        let now = Snapshot::take();
        Changes { gone: self.minus(&now), new: now.minus(self) }
    }

    /// Asserts that nothing has changed since this snapshot was taken.
    #[track_caller]
    pub fn assert_unchanged(&self) {
        let changes = self.changes();
        assert!(changes.is_empty(), "the host has changed:\n{changes}");
    }
}

/// Returns the cgroups below the test's own, and its own, with what of them a stage could change.
fn cgroups() -> Vec<String> {
    let describe = |cgroup: &Path| {
        let read = |file| fs::read_to_string(cgroup.join(file)).unwrap_or_default();
        // Cgroup v1 has neither of the two.
        let (mode, handed_down) = (read("cgroup.type"), read("cgroup.subtree_control"));
        format!("{} {} [{}]", cgroup.display(), mode.trim(), handed_down.trim())
    };
    let own = cgroup::own();
    own.map_or(Vec::new(), |own| cgroup::tree(&own).iter().map(|path| describe(path)).collect())
}

fn map(lines: Vec<String>, of_line: impl Fn(&str) -> Option<String>) -> Vec<String> {
    lines.iter().filter_map(|line| of_line(line)).collect()
}

/// Returns the addresses of this host from the lines of /proc/net/fib_trie: each is followed by its type.
fn local_addresses(trie: &[String]) -> Vec<String> {
    let pairs = trie.iter().zip(trie.iter().skip(1));
    pairs
        .filter(|(_, of_type)| of_type.contains("host LOCAL"))
        .filter_map(|(address, _)| Some(address.split_once("|--")?.1.trim().to_owned()))
        .collect()
}

/// The difference between two snapshots.
#[derive(Clone, Debug)]
pub struct Changes {
    /// What was there before.
    pub gone: Vec<String>,
    /// What was not there before.
    pub new: Vec<String>,
}

impl Changes {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.gone.iter().try_for_each(|line| writeln!(f, "- {line}"))?;
        self.new.iter().try_for_each(|line| writeln!(f, "+ {line}"))
    }
}
