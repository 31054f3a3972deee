//! What of a host a stage could change, and must leave as it was.

use testbed::cgroup;
use testbed::snapshot::{self, Changes};

/// The state of this process's host, or of the namespaces that play one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(snapshot::Snapshot);

impl Snapshot {
    /// Takes a snapshot of what this process sees, and of the cgroups below the test's own.
    pub fn take() -> Snapshot {
        Snapshot(snapshot::Snapshot::take(cgroup::own().as_deref()))
    }

    /// Returns what has changed since this snapshot was taken.
    pub fn changes(&self) -> Changes {
        self.0.changes()
    }

    /// Asserts that nothing has changed since this snapshot was taken.
    #[track_caller]
    pub fn assert_unchanged(&self) {
        let changes = self.changes();
        assert!(changes.is_empty(), "the host has changed:\n{changes}");
    }
}
