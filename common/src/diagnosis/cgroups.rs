//! Cgroups: cgroups(7).

use nix::errno::Errno;

use super::remedies::{
    KUBERNETES, NOTHING, as_root, or_outside, remedy, run_of_engine, scope, with_root,
};
use super::{Cause, Remedy, Row};
use crate::host_facts::{Cgroups, Engine, HostFacts};

/// What gives a container the cgroups of its host.
const HOSTS_CGROUPS: &str = "--cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw";

/// A start as root, where that root has a right to the cgroups.
fn as_root_of_cgroups(facts: &HostFacts) -> Vec<Remedy> {
    if facts.caller.foreign_cgroups { Vec::new() } else { as_root(facts) }
}

/// Cgroups, mounted by these commands.
fn mounted(facts: &HostFacts, commands: &[&str]) -> Vec<Remedy> {
    // What they are mounted on is a directory of this file system.
    let sysfs = (!facts.sysfs).then_some("mount -t sysfs sysfs /sys");
    let commands = sysfs.into_iter().chain(commands.iter().copied());
    let commands: Vec<_> = commands.map(|command| with_root(facts, command)).collect();
    vec![remedy(commands.join(" && "), NOTHING)]
}

/// Cgroups that can be written to.
fn writable(facts: &HostFacts) -> Vec<Remedy> {
    let directory = match facts.cgroups {
        Cgroups::V2 => "/sys/fs/cgroup",
        _ => "/sys/fs/cgroup/pids",
    };
    let gives_up = "the container can change the cgroups that it sees";
    let command = format!("mount -o remount,bind,rw {directory}");
    let remount = remedy(with_root(facts, &command), gives_up);
    let mut remedies = if facts.caller.administers { vec![remount] } else { Vec::new() };
    let run = match facts.caller.engine {
        Some(Engine::Kubernetes) => Some(KUBERNETES.to_owned()),
        _ => run_of_engine(facts).map(|run| format!("{run} {HOSTS_CGROUPS}")),
    };
    let gives_up = "the container gets the cgroups of its host";
    remedies.extend(run.map(|run| remedy(run, gives_up)));
    remedies
}

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::CgroupOfAnotherRoot,
        id: "cgroup-of-another-root",
        title: "The cgroup belongs to another root",
        is: |failure, facts| {
            let refused = failure.is_cgroup(&[Errno::EACCES, Errno::EPERM]);
            refused && (facts.root || facts.caller.foreign_cgroups)
        },
        explanation: |_, _| {
            "This root has no right to the cgroup that it is in, as in a user namespace or a container: \
             start it outside of that"
                .into()
        },
        remedies: |_, facts| as_root_of_cgroups(facts),
        root_helps: |_, facts| !facts.caller.foreign_cgroups,
    },
    Row {
        cause: Cause::CgroupNotDelegated,
        id: "cgroup-not-delegated",
        title: "The cgroup is not yours",
        is: |failure, facts| {
            failure.is_cgroup(&[Errno::EACCES, Errno::EPERM]) && facts.cgroups == Cgroups::V2
        },
        explanation: |_, _| "It needs root, or a cgroup that is yours".into(),
        remedies: |_, facts| [scope(facts), as_root_of_cgroups(facts)].concat(),
        root_helps: |_, facts| !facts.caller.foreign_cgroups,
    },
    Row {
        cause: Cause::CgroupV1,
        id: "cgroup-v1",
        title: "On cgroup v1 it needs root",
        is: |failure, _| failure.is_cgroup(&[Errno::EACCES, Errno::EPERM]),
        explanation: |_, _| {
            "On cgroup v1 it needs root (systemd gives users a cgroup of their own on v2 alone)"
                .into()
        },
        remedies: |_, facts| as_root_of_cgroups(facts),
        root_helps: |_, facts| !facts.caller.foreign_cgroups,
    },
    Row {
        cause: Cause::CgroupReadOnly,
        id: "cgroup-read-only",
        title: "The cgroups are read-only",
        is: |failure, _| failure.is_cgroup(&[Errno::EROFS]),
        explanation: |_, facts| {
            let helps = or_outside(&writable(facts), "; this makes them writable");
            format!("The cgroups are mounted read-only, as in a container{helps}")
        },
        remedies: |_, facts| writable(facts),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::CgroupBusy,
        id: "cgroup-busy",
        title: "The cgroup has others below it",
        is: |failure, _| failure.is_cgroup(&[Errno::EBUSY, Errno::EOPNOTSUPP]),
        explanation: |_, _| {
            "Other cgroups with processes are below the one that this process is in; in one of its own".into()
        },
        remedies: |_, facts| scope(facts),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::CgroupLimit,
        id: "cgroup-limit",
        title: "A limit of cgroups is reached",
        is: |failure, _| failure.is_cgroup(&[Errno::EAGAIN, Errno::ENOSPC]),
        explanation: |_, _| {
            "A limit of cgroups is reached: see cgroup.max.descendants and cgroup.max.depth above"
                .into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::NoPidsController,
        id: "no-pids-controller",
        title: "No controller pids",
        is: |_, _| false,
        explanation: |_, facts| {
            match facts.pids_is_v1 {
            None if !facts.proc_cgroups => {
                "/proc shows processes alone here (subset=pid), so what the kernel has is not to be \
                 seen"
                    .into()
            }
            None => {
                "The kernel has no controller pids, or it is switched off (cgroup_disable=pids)"
                    .into()
            }
            Some(true) if facts.caller.user_namespace => {
                "They are of version 1, and nobody may mount them in a user namespace".into()
            }
            Some(_) => "They can be".into(),
        }
        },
        remedies: |_, facts| match facts.pids_is_v1 {
            Some(true) if facts.caller.user_namespace => Vec::new(),
            Some(false) if facts.cgroups != Cgroups::V2 => {
                mounted(facts, &["mount -t cgroup2 cgroup2 /sys/fs/cgroup"])
            }
            Some(true) => {
                let tmpfs = "mount -t tmpfs cgroup /sys/fs/cgroup";
                let tmpfs = (facts.cgroups == Cgroups::None).then_some(tmpfs);
                let directory = "/sys/fs/cgroup/pids";
                let make = format!("mkdir -p {directory}");
                let mount = format!("mount -t cgroup -o pids pids {directory}");
                let commands = tmpfs.into_iter().chain([make.as_str(), mount.as_str()]);
                mounted(facts, &commands.collect::<Vec<_>>())
            }
            _ => Vec::new(),
        },
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::CgroupNamespace,
        id: "cgroup-namespace",
        title: "The cgroups of another cgroup namespace",
        is: |_, _| false,
        explanation: |_, _| {
            "/sys/fs/cgroup shows the cgroups of another cgroup namespace: start it outside of that"
                .into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: |_, _| false,
    },
];
