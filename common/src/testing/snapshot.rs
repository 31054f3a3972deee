//! What of a host a stage could change, and must leave as it was.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

/// The state of this process's host, or of the namespaces that play one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is about, and its lines, sorted.
    parts: BTreeMap<&'static str, Vec<String>>,
}

/// Files of /proc whose lines are state. Where a host has no such, as without IPv6, there is nothing.
const FILES: [(&str, &str); 9] = [
    ("mounts", "/proc/self/mountinfo"),
    ("domain name", "/proc/sys/kernel/domainname"),
    ("routes", "/proc/self/net/route"),
    ("IPv6 routes", "/proc/self/net/ipv6_route"),
    ("addresses", "/proc/self/net/fib_trie"),
    ("IPv6 addresses", "/proc/self/net/if_inet6"),
    ("message queues", "/proc/sysvipc/msg"),
    ("semaphores", "/proc/sysvipc/sem"),
    ("shared memory", "/proc/sysvipc/shm"),
];

impl Snapshot {
    /// Takes a snapshot of what this process sees.
    pub fn take() -> Snapshot {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let sorted = |text: String| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let mut parts: BTreeMap<_, _> =
            FILES.into_iter().map(|(part, file)| (part, sorted(read(file)))).collect();
        // The other columns count packets.
        let links = read("/proc/self/net/dev");
        let links =
            links.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        parts.insert("links", links.collect());
        parts.insert("hostname", vec![super::hostname()]);
        Snapshot { parts }
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
