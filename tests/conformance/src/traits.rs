//! What sets a stage apart, as its tests say it: one place for each stage, from which its conformance tests follow.

use crate::As;

/// The traits of a stage.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// The kinds of namespace that its container has of its own, by their names in /proc/PID/ns, sorted: namespaces(7).
    pub namespaces: &'static [&'static str],
    /// Whether it sets the container's hostname.
    pub sets_hostname: bool,
    /// Whether the container has a root directory of its own.
    pub root_directory: bool,
}

impl Traits {
    /// Whether the container has a namespace of this kind of its own.
    pub fn has(&self, kind: &str) -> bool {
        self.namespaces.contains(&kind)
    }

    /// Whether what the container mounts is among the mounts of its host.
    pub fn shares_mounts(&self) -> bool {
        self.root_directory && !self.has("mnt")
    }

    /// The limit of open files that it runs with, its three standard streams among them: RLIMIT_NOFILE in getrlimit(2).
    pub fn open_files(&self) -> u32 {
        match (self.root_directory, self.shares_mounts()) {
            (false, _) => 9,
            (true, false) => 11,
            (true, true) => 13,
        }
    }

    /// Who runs it. An ordinary user does where the stage itself makes them root.
    pub fn users(&self) -> &'static [As] {
        if self.has("user") { &[As::Root, As::User] } else { &[As::Root, As::Rootless] }
    }
}
