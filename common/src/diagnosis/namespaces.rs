//! Namespaces and mounts that the kernel refuses.

use nix::errno::Errno;

use super::failure::{Failed, Failure};
use super::remedies::{
    LAYER, NOTHING, as_root, or_outside, remedy, rootless, start_anew, sysctl, unconfined,
    uncovered, with_root,
};
use super::{Cause, Remedy, Row};
use crate::host_facts::HostFacts;
use crate::quote::shown;
use crate::reexec::{Call, Step};

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::Wsl1,
        id: "wsl1",
        title: "WSL 1 has no namespaces",
        is: |failure, facts| {
            facts.wsl == Some(1)
                && (failure.is_clone(&[failure.errno]) || failure.is_capability(&[failure.errno]))
        },
        explanation: |_, _| "WSL 1 is no Linux kernel, and has not these namespaces".into(),
        remedies: |_, _| {
            let name = std::env::var("WSL_DISTRO_NAME").unwrap_or("NAME".into());
            let gives_up = "fast access to the files of Windows; the distribution stops meanwhile";
            vec![remedy(format!("wsl.exe --set-version {name} 2"), gives_up)]
        },
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::OldKernel,
        id: "old-kernel",
        title: "The kernel is older than 5.11",
        is: |failure, _| {
            let is_close = matches!(failure.failed, Failed::Step(Step::Prepare(Call::CloseRange)));
            is_close && failure.errno == Errno::EINVAL || failure.is_unprivileged(Errno::ENOSYS)
        },
        explanation: |_, facts| {
            let container = if facts.seccomp { ", or a newer container engine" } else { "" };
            format!("It takes Linux 5.11 or newer{container}")
        },
        remedies: |_, _| Vec::new(),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::NoRoot,
        id: "no-root",
        title: "It needs root",
        is: |failure, facts| {
            // Of both an engine may give an ordinary user one: stage 03 takes the other as well.
            let can = facts.cap_sys_admin && (facts.cap_sys_chroot || facts.package != "pid");
            failure.is_capability(&[Errno::EPERM]) && !can && !facts.root
        },
        explanation: |_, _| "It needs root, with sudo or in a user namespace of your own".into(),
        remedies: |_, facts| [as_root(facts), rootless(facts)].concat(),
        root_helps: |_, _| true,
    },
    Row {
        cause: Cause::NoCapSysAdmin,
        id: "no-cap-sys-admin",
        title: "Root without CAP_SYS_ADMIN",
        is: |failure, facts| failure.is_capability(&[Errno::EPERM]) && !facts.cap_sys_admin,
        explanation: |_, facts| {
            let has = or_outside(&with_cap_sys_admin(facts), "; this has it");
            format!("This root has no CAP_SYS_ADMIN, as in a container{has}")
        },
        remedies: |_, facts| with_cap_sys_admin(facts),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::NoCapSetfcap,
        id: "no-cap-setfcap",
        title: "Root without CAP_SETFCAP",
        is: |failure, facts| failure.is_map(Errno::EPERM) && facts.root && !facts.cap_setfcap,
        explanation: |_, facts| {
            format!(
                "Since Linux 5.12 root has to have CAP_SETFCAP to map root's id, and this root has it not, as \
                 in a container without capabilities{}",
                start_anew(facts)
            )
        },
        remedies: |_, facts| unconfined(facts, " --cap-add SETFCAP"),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::UnprivilegedUsernsClone,
        id: "unprivileged-userns-clone",
        title: "User namespaces are for root alone",
        is: |failure, facts| {
            failure.is_new_user()
                && failure.errno == Errno::EPERM
                && !facts.cap_sys_admin
                && facts.unprivileged_userns_clone == Some(0)
        },
        explanation: |_, _| "User namespaces are for root alone here".into(),
        remedies: |_, facts| {
            vec![remedy(sysctl(facts, "kernel.unprivileged_userns_clone", 1), LAYER)]
        },
        root_helps: |_, _| true,
    },
    Row {
        cause: Cause::Seccomp,
        id: "seccomp",
        title: "A seccomp filter refuses user namespaces",
        is: |failure, facts| {
            failure.is_new_user()
                && failure.errno == Errno::EPERM
                && facts.seccomp
                // Programs of the desktop have harmless filters, too.
                && (facts.caller.engine.is_some()
                    || facts.apparmor_restrict_unprivileged_userns != Some(1))
        },
        explanation: |_, facts| {
            let start = start_anew(facts);
            format!(
                "This looks like a container whose seccomp filter refuses user namespaces{start}"
            )
        },
        remedies: |_, facts| unconfined(facts, ""),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::ContainerApparmor,
        id: "container-apparmor",
        title: "The container's AppArmor profile refuses mounts",
        is: |failure, facts| {
            failure.is_capability(&[Errno::EACCES])
                && facts.caller.engine.is_some()
                && facts.apparmor
        },
        explanation: |_, _| {
            "The AppArmor profile of this container refuses mounts; start it with".into()
        },
        remedies: |_, facts| unconfined(facts, ""),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::Apparmor,
        id: "apparmor",
        title: "AppArmor restricts user namespaces",
        is: |failure, facts| {
            takes_away(failure)
                && facts.apparmor_restrict_unprivileged_userns == Some(1)
                && !facts.is_first_root()
        },
        explanation: |_, _| {
            "AppArmor leaves an ordinary user's user namespaces no capability, as on Ubuntu; a profile for \
             these programs lifts that"
                .into()
        },
        remedies: |_, facts| {
            let switch = "kernel.apparmor_restrict_unprivileged_userns";
            vec![own_profile(facts), remedy(sysctl(facts, switch, 0), LAYER)]
        },
        root_helps: |_, _| true,
    },
    Row {
        cause: Cause::ApparmorProfile,
        id: "apparmor-profile",
        title: "An AppArmor profile denies it",
        is: |failure, facts| {
            // Nothing else says EACCES to a new user namespace.
            let namespace =
                failure.is_new_user() && failure.errno == Errno::EACCES && facts.apparmor;
            // An engine's own profile is not to be changed from inside.
            let confined = facts.apparmor_profile.is_some() && facts.caller.engine.is_none();
            namespace || takes_away(failure) && confined
        },
        explanation: |_, facts| {
            let profile = facts.apparmor_profile.as_ref();
            let profile =
                profile.map_or("A profile".into(), |name| format!("The profile {}", shown(name)));
            format!(
                "{profile} of AppArmor denies it; with a profile for these programs it does not"
            )
        },
        remedies: |_, facts| vec![own_profile(facts)],
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::ChildrenElsewhere,
        id: "children-elsewhere",
        title: "New processes are for another PID namespace",
        is: |_, _| false,
        explanation: |_, facts| {
            let forked = or_outside(&forked(facts), "; this forks");
            format!("This is what `unshare --pid` without --fork leaves{forked}")
        },
        remedies: |_, facts| forked(facts),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::ForeignProc,
        id: "foreign-proc",
        title: "/proc shows another PID namespace",
        is: |failure, facts| {
            matches!(failure.failed, Failed::Step(Step::OwnProc)) && !facts.no_proc
        },
        explanation: |_, facts| {
            let helps = if own_proc(facts).is_empty() {
                ": start it where root has mounted one of this one"
            } else {
                "; with a /proc of this one"
            };
            format!(
                "/proc shows another PID namespace, where this number is another process's, as after `unshare \
                 --pid` without --mount-proc{helps}"
            )
        },
        remedies: |_, facts| own_proc(facts),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::ReadOnlyProc,
        id: "read-only-proc",
        title: "/proc is read-only",
        is: |failure, _| failure.is_map(Errno::EROFS),
        explanation: |_, facts| {
            let helps = or_outside(&another_proc(facts), "; this mounts another one");
            format!(
                "The ids of a user namespace are written to /proc, which is mounted read-only here{helps}"
            )
        },
        remedies: |_, facts| another_proc(facts),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::CoveredProc,
        id: "covered-proc",
        title: "Parts of /proc are covered",
        is: |failure, facts| {
            // In the first user namespace a new one may show what it likes.
            failure.is_capability(&[Errno::EPERM])
                && facts.cap_sys_admin
                && facts.user_namespace
                && !facts.proc_covered.is_empty()
                // A filter that refuses more comes first: the hostname is set before /proc is mounted.
                && !(facts.seccomp && facts.hostname_refused)
        },
        explanation: |_, facts| {
            let helps = match facts.caller.engine {
                Some(_) => "; start that with",
                None => or_outside(&uncovered(facts), "; this lays them open"),
            };
            format!(
                "Parts of /proc are covered, as in a container, and no new one may show them{helps}"
            )
        },
        remedies: |_, facts| match facts.caller.engine {
            Some(_) => unconfined(facts, ""),
            None => uncovered(facts),
        },
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::ForeignNamespace,
        id: "foreign-namespace",
        title: "It belongs to another user namespace",
        is: |failure, facts| {
            failure.is_capability(&[Errno::EPERM]) && facts.user_namespace && !facts.seccomp
        },
        explanation: |_, _| {
            "This is root of a user namespace, and what it asks for belongs to another one; with namespaces \
             for all of it"
                .into()
        },
        remedies: |_, facts| rootless(facts),
        root_helps: |_, _| true,
    },
    Row {
        cause: Cause::ContainerSeccomp,
        id: "container-seccomp",
        title: "A seccomp filter refuses a system call",
        is: |failure, facts| {
            let refused =
                failure.is_capability(&[Errno::EPERM]) || failure.is_unprivileged(Errno::EPERM);
            refused && facts.seccomp
        },
        explanation: |_, facts| {
            let start = start_anew(facts);
            format!("This looks like a container whose seccomp filter refuses this call{start}")
        },
        remedies: |_, facts| unconfined(facts, ""),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::UsernsRefused,
        id: "userns-refused",
        title: "User namespaces are refused",
        is: |failure, _| failure.is_new_user() && failure.errno == Errno::EPERM,
        explanation: |_, facts| {
            let why = if facts.without_id {
                "You have no id in this user namespace, as after `unshare --user` alone: start it outside of that"
            } else {
                "User namespaces are refused here, as after a chroot(2), or by a security module"
            };
            why.into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: |_, _| false,
    },
];

/// A start as the first process of a new PID namespace, by who has made one.
fn forked(facts: &HostFacts) -> Vec<Remedy> {
    let start = format!("--pid --fork --mount-proc cargo run -p {}", facts.package);
    // Outside of the user namespace that it has made along with it, it has no right to one without the other.
    let made_both = facts.user_namespace && !facts.caller.root;
    let command = if made_both || !facts.cap_sys_admin {
        // To a network that was there before, root of a new user namespace has no right.
        let has_network = ["network", "ipc", "cgroups"].contains(&facts.package.as_str());
        let network = if has_network { "--net " } else { "" };
        format!("unshare --user --map-root-user {network}{start}")
    } else {
        with_root(facts, &format!("unshare {start}"))
    };
    facts.unshare.then(|| remedy(command, NOTHING)).into_iter().collect()
}

/// A start with a /proc of this PID namespace, by who may mount one. (Others would have to map ids for it, through the
/// /proc that is there.)
fn own_proc(facts: &HostFacts) -> Vec<Remedy> {
    let command = format!("unshare --mount-proc cargo run -p {}", facts.package);
    (facts.cap_sys_admin && facts.unshare).then(|| remedy(command, NOTHING)).into_iter().collect()
}

/// A new /proc, which in a user namespace could not show more than the one before.
fn another_proc(facts: &HostFacts) -> Vec<Remedy> {
    let may = facts.caller.administers && !facts.caller.user_namespace;
    let mount = || remedy(with_root(facts, "mount -t proc proc /proc"), NOTHING);
    may.then(mount).into_iter().collect()
}

/// Root with CAP_SYS_ADMIN, in a user namespace or in another container.
fn with_cap_sys_admin(facts: &HostFacts) -> Vec<Remedy> {
    // The filter refuses the user namespace, too.
    let rootless = if facts.seccomp { Vec::new() } else { rootless(facts) };
    [rootless, unconfined(facts, " --cap-add SYS_ADMIN --cap-add NET_ADMIN")].concat()
}

/// Whether it looks as if AppArmor had let a user namespace be made, and then taken its capabilities away.
fn takes_away(failure: &Failure) -> bool {
    let step = match failure.failed {
        Failed::Step(step) => {
            failure.is_new_user() || matches!(step, Step::Map(..) | Step::Link(_))
        }
        _ => true,
    };
    step && [Errno::EPERM, Errno::EACCES].contains(&failure.errno)
}

/// The profile that the doctor prints.
fn own_profile(facts: &HostFacts) -> Remedy {
    remedy(
        format!("cargo doctor apparmor | {}", with_root(facts, "apparmor_parser -r")),
        "the restriction for the programs of this folder, until the next boot",
    )
}
