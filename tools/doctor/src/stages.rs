//! The stages, and what sets each apart: one table, from which the attempts and the report follow.

use anyhow::{Context, Result};
use nix::sched::CloneFlags;

/// A stage, as its folder and its package are named.
pub struct Stage {
    /// 1 to 8
    pub number: u8,
    /// Its folder
    pub folder: &'static str,
    /// The namespaces that its container has of its own
    pub namespaces: CloneFlags,
    /// Whether it sets the container's hostname
    pub sets_hostname: bool,
    /// Whether the container has a root directory of its own
    pub root_directory: bool,
}

impl Stage {
    /// Its package, as `cargo run -p` takes it.
    pub fn package(&self) -> &'static str {
        self.folder.split_once('-').map_or(self.folder, |(_, package)| package)
    }

    /// Whether its container has a namespace of this kind of its own.
    pub fn has(&self, kind: CloneFlags) -> bool {
        self.namespaces.contains(kind)
    }

    /// Whether it takes a capability of whoever starts it: there is no user namespace in which it would have them all.
    pub fn takes_root(&self) -> bool {
        !self.has(CloneFlags::CLONE_NEWUSER)
    }

    /// Whether its old root directory is moved away, and not just covered by chroot(2).
    pub fn pivots(&self) -> bool {
        self.root_directory && self.has(CloneFlags::CLONE_NEWNS)
    }

    /// The stage of this number.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn of_number(number: u8) -> Result<&'static Stage> {
        STAGES.iter().find(|stage| stage.number == number).context("no such stage")
    }
}

const UTS: CloneFlags = CloneFlags::CLONE_NEWUTS;
const PID: CloneFlags = UTS.union(CloneFlags::CLONE_NEWPID);
const MOUNT: CloneFlags = PID.union(CloneFlags::CLONE_NEWNS);
const USER: CloneFlags = MOUNT.union(CloneFlags::CLONE_NEWUSER);
const NETWORK: CloneFlags = USER.union(CloneFlags::CLONE_NEWNET);
const IPC: CloneFlags = NETWORK.union(CloneFlags::CLONE_NEWIPC);
const CGROUP: CloneFlags = IPC.union(CloneFlags::CLONE_NEWCGROUP);

const fn stage(number: u8, folder: &'static str, namespaces: CloneFlags) -> Stage {
    Stage { number, folder, namespaces, sets_hostname: true, root_directory: true }
}

/// All stages.
pub const STAGES: [Stage; 8] = [
    Stage { sets_hostname: false, root_directory: false, ..stage(1, "01-uts", UTS) },
    Stage { root_directory: false, ..stage(2, "02-uts-hostname", UTS) },
    stage(3, "03-pid", PID),
    stage(4, "04-mount", MOUNT),
    stage(5, "05-user", USER),
    stage(6, "06-network", NETWORK),
    stage(7, "07-ipc", IPC),
    stage(8, "08-cgroups", CGROUP),
];
