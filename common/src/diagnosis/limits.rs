//! Limits that are reached, and what the kernel, or its root file system, lacks.

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::resource::Resource;

use super::failure::{Failed, Failure};
use super::remedies::{LAYER, NOTHING, is_exempt, more_processes, raised, remedy, sysctl};
use super::{Cause, Row};
use crate::host_facts::{HostFacts, LIMITS, RootMount};
use crate::reexec::Step;

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::MaxUserNamespaces,
        id: "max-user-namespaces",
        title: "User namespaces are switched off",
        is: |failure, facts| {
            failure.is_new_user()
                && failure.is_clone(&[Errno::ENOSPC, Errno::EUSERS])
                && facts.max_user_namespaces == Some(0)
        },
        explanation: |_, _| "User namespaces are switched off".into(),
        remedies: |_, facts| vec![remedy(sysctl(facts, "user.max_user_namespaces", 15000), LAYER)],
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::NamespaceLimit,
        id: "namespace-limit",
        title: "A limit of namespaces is reached",
        is: |failure, _| {
            // A mount that is in no place yet is in a mount namespace of its own: open_tree(2), fsmount(2).
            let mounting = failure.is_capability(&[Errno::ENOSPC]);
            failure.is_clone(&[Errno::ENOSPC, Errno::EUSERS]) || mounting
        },
        explanation: |failure, facts| match raised_limits(failure, facts)[..] {
            [] => "A limit of namespaces is reached, or 32 are nested; the limits of this machine \
                   show"
                .into(),
            _ => "A limit of namespaces is reached; this raises it".into(),
        },
        remedies: |failure, facts| match &raised_limits(failure, facts)[..] {
            [] => vec![remedy("grep . /proc/sys/user/max_*_namespaces", NOTHING)],
            commands => vec![remedy(commands.join(" && "), LAYER)],
        },
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::ProcessLimit,
        id: "process-limit",
        title: "The limit of processes is reached",
        is: |failure, _| {
            failure.is_process(Errno::EAGAIN) || failure.is_capability(&[Errno::EAGAIN])
        },
        explanation: |_, facts| {
            let of_user = if is_exempt(facts) { "" } else { "`ulimit -u`, and " };
            format!("The limit of processes is reached: see {of_user}pids.max of this cgroup")
        },
        remedies: |_, facts| more_processes(facts),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::FileLimit,
        id: "file-limit",
        title: "The limit of open files is reached",
        is: |failure, _| failure.errno == Errno::EMFILE,
        explanation: |_, _| "The limit of open files (`ulimit -n`) is reached".into(),
        remedies: |_, facts| raised(facts, Resource::RLIMIT_NOFILE),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::NoSuchNamespace,
        id: "no-such-namespace",
        title: "The kernel lacks a kind of namespace",
        is: |failure, _| failure.is_clone(&[Errno::EINVAL, Errno::ENOSYS]),
        explanation: |_, _| "This kernel was built without one of these namespaces".into(),
        remedies: |_, _| Vec::new(),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::Initramfs,
        id: "initramfs",
        title: "The root file system cannot be changed",
        is: |failure, facts| {
            failure.is_capability(&[Errno::EINVAL]) && facts.root_mount == RootMount::Initramfs
        },
        explanation: |_, _| {
            "The root file system is an initramfs, which cannot be moved away before Linux 7.0: start it on another one"
                .into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::Chroot,
        id: "chroot",
        title: "Started after a chroot",
        is: |failure, facts| {
            failure.is_capability(&[Errno::EINVAL]) && facts.root_mount == RootMount::Chroot
        },
        explanation: |_, _| {
            "The root directory is no mount point, as after a chroot(2): start it outside of that"
                .into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: |_, _| false,
    },
];

/// The limits that are too low for one start, raised. (Others may be reached, and those of a user namespace above this one
/// are not to be seen.)
fn raised_limits(failure: &Failure, facts: &HostFacts) -> Vec<String> {
    let flags = match failure.failed {
        Failed::Step(Step::Clone(flags)) => *flags,
        _ => CloneFlags::CLONE_NEWNS,
    };
    let kinds = LIMITS.iter().filter(|(kind, _)| flags.contains(*kind)).map(|(_, name)| *name);
    let low = kinds.filter(|name| facts.low_namespace_limits.iter().any(|low| low == name));
    low.map(|name| sysctl(facts, &format!("user.{name}"), 15000)).collect()
}
