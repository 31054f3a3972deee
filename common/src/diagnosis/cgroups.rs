//! Cgroups: cgroups(7).

use nix::errno::Errno;

use super::remedies::{NOTHING, as_root, remedy, scope};
use super::{Cause, Row};
use crate::host_facts::{Cgroups, Engine};

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::CgroupOfAnotherRoot,
        id: "cgroup-of-another-root",
        title: "The cgroup belongs to another root",
        is: |failure, facts| failure.is_cgroup(&[Errno::EACCES, Errno::EPERM]) && facts.root,
        explanation: |_, _| {
            "This root has no right to the cgroup that it is in, as in a user namespace or a container: \
             start it outside of that"
                .into()
        },
        remedies: |_, facts| as_root(facts),
        root_helps: true,
    },
    Row {
        cause: Cause::CgroupNotDelegated,
        id: "cgroup-not-delegated",
        title: "The cgroup is not yours",
        is: |failure, facts| {
            failure.is_cgroup(&[Errno::EACCES, Errno::EPERM]) && facts.cgroups == Cgroups::V2
        },
        explanation: |_, _| "It takes root, or a cgroup that is yours".into(),
        remedies: |_, facts| [scope(facts), as_root(facts)].concat(),
        root_helps: true,
    },
    Row {
        cause: Cause::CgroupV1,
        id: "cgroup-v1",
        title: "On cgroup v1 it takes root",
        is: |failure, _| failure.is_cgroup(&[Errno::EACCES, Errno::EPERM]),
        explanation: |_, _| {
            "On cgroup v1 it takes root (systemd gives users a cgroup of their own on v2 alone)"
                .into()
        },
        remedies: |_, facts| as_root(facts),
        root_helps: true,
    },
    Row {
        cause: Cause::CgroupReadOnly,
        id: "cgroup-read-only",
        title: "The cgroups are read-only",
        is: |failure, _| failure.is_cgroup(&[Errno::EROFS]),
        explanation: |_, _| {
            "The cgroups are mounted read-only, as in a container; mount them anew where you may, or start \
             the container with"
                .into()
        },
        remedies: |_, facts| {
            let directory = match facts.cgroups {
                Cgroups::V2 => "/sys/fs/cgroup",
                _ => "/sys/fs/cgroup/pids",
            };
            let gives_up = "the container can change the cgroups that it sees";
            let run = match facts.engine {
                Some(Engine::Podman) => "podman run",
                _ => "docker run",
            };
            vec![
                remedy(format!("sudo mount -o remount,bind,rw {directory}"), gives_up),
                remedy(
                    format!("{run} --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw"),
                    "the container gets the cgroups of its host",
                ),
            ]
        },
        root_helps: false,
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
        root_helps: false,
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
        root_helps: false,
    },
    Row {
        cause: Cause::NoPidsController,
        id: "no-pids-controller",
        title: "No controller pids",
        is: |_, _| false,
        explanation: |_, facts| match facts.pids_is_v1 {
            None => {
                "The kernel has no controller pids, or it is switched off (cgroup_disable=pids)"
                    .into()
            }
            Some(_) => "They can be".into(),
        },
        remedies: |_, facts| match facts.pids_is_v1 {
            Some(false) if facts.cgroups != Cgroups::V2 => {
                vec![remedy("sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup", NOTHING)]
            }
            Some(true) => {
                let tmpfs = match facts.cgroups {
                    Cgroups::None => "sudo mount -t tmpfs cgroup /sys/fs/cgroup && ",
                    _ => "",
                };
                let directory = "/sys/fs/cgroup/pids";
                let mount = format!("sudo mount -t cgroup -o pids pids {directory}");
                vec![remedy(format!("{tmpfs}sudo mkdir -p {directory} && {mount}"), NOTHING)]
            }
            _ => Vec::new(),
        },
        root_helps: false,
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
        root_helps: false,
    },
];
