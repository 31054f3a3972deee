//! Why a container cannot be started here, and what to type: one table, for the errors of all stages and for
//! `cargo doctor`.
//!
//! The book's page "When it does not work" has a heading for each cause, with its name.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

use anyhow::Error;
use nix::errno::Errno;
use nix::sched::CloneFlags;

use crate::reexec::{Call, Step};
use crate::situation::{Cgroups, Engine, Situation};

/// The page of the book with a heading for each cause.
pub const PAGE: &str = "book/src/when-it-does-not-work.md";

/// A cause as it shows on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The name of the cause, and of its heading in the book.
    pub id: String,
    /// The cause in a few words: the heading in the book.
    pub title: String,
    /// Why the kernel, or a check of ours, has said no: a sentence without its full stop.
    pub explanation: String,
    /// What helps, the best first; none where no command does.
    pub remedies: Vec<Remedy>,
    /// Whether root of the machine would not have this trouble.
    pub root_helps: bool,
}

/// A command that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What to type.
    pub command: String,
    /// What that gives up.
    pub gives_up: String,
}

impl fmt::Display for Diagnosis {
    /// Writes what ends the one line of an error.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.explanation)?;
        for (number, remedy) in self.remedies.iter().enumerate() {
            write!(f, "{} `{}`", if number == 0 { ":" } else { " or" }, remedy.command)?;
        }
        write!(f, ". More: `cargo doctor`, and {PAGE}#{}", self.id)
    }
}

/// An error whose cause is known where it arises.
#[derive(Debug)]
pub struct Known {
    id: &'static str,
    said: String,
    command: Option<String>,
}

impl Known {
    /// Returns an error.
    ///
    /// - `id`: the name of its cause.
    /// - `said`: what is wrong.
    pub fn new(id: &'static str, said: impl Into<String>) -> Known {
        Known { id, said: said.into(), command: None }
    }

    /// Sets the command that helps. `{package}` in it stands for the stage, as `cargo run -p` takes it.
    pub fn remedy(self, command: impl Into<String>) -> Known {
        Known { command: Some(command.into()), ..self }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl StdError for Known {}

/// What has failed.
enum Failed<'a> {
    /// A step of a start
    Step(&'a Step),
    /// A system call that takes a capability
    Capability,
    /// A check of ours
    Known(&'a Known),
}

/// An error, as the table is asked for it.
struct Failure<'a> {
    failed: Failed<'a>,
    errno: Errno,
    said: String,
}

impl Failure<'_> {
    fn of(error: &Error) -> Option<Failure<'_>> {
        let failed = if let Some(known) = error.downcast_ref::<Known>() {
            Failed::Known(known)
        } else if let Some(step) = error.downcast_ref::<Step>() {
            Failed::Step(step)
        } else if error.downcast_ref::<Errno>().is_some() {
            // Those of the standard library are about files.
            Failed::Capability
        } else {
            return None;
        };
        let errno = error.chain().find_map(errno_of);
        let errno = errno.or(matches!(failed, Failed::Known(_)).then_some(Errno::UnknownErrno))?;
        Some(Failure { failed, errno, said: error.to_string() })
    }

    /// Whether new namespaces were refused, with one of these errors.
    fn is_clone(&self, errnos: &[Errno]) -> bool {
        matches!(self.failed, Failed::Step(Step::Clone(_))) && errnos.contains(&self.errno)
    }

    /// Whether these were a user namespace, and others in it.
    fn is_new_user(&self) -> bool {
        matches!(self.failed, Failed::Step(Step::Clone(flags)) if flags.contains(CloneFlags::CLONE_NEWUSER))
    }

    /// Whether a capability was missing, or a security module took it for missing.
    fn is_capability(&self, errnos: &[Errno]) -> bool {
        let asked = matches!(self.failed, Failed::Capability)
            || self.is_clone(&[self.errno]) && !self.is_new_user();
        asked && errnos.contains(&self.errno)
    }

    fn is_link(&self, errno: Errno) -> bool {
        matches!(self.failed, Failed::Step(Step::Link(_))) && self.errno == errno
    }

    fn is_cgroup(&self, errnos: &[Errno]) -> bool {
        matches!(self.failed, Failed::Step(Step::Cgroup(_))) && errnos.contains(&self.errno)
    }

    fn is_execve(&self, of: impl Fn(&Path) -> bool, errnos: &[Errno]) -> bool {
        matches!(self.failed, Failed::Step(Step::Execve(program)) if of(program))
            && errnos.contains(&self.errno)
    }
}

fn errno_of(cause: &(dyn StdError + 'static)) -> Option<Errno> {
    let io = || cause.downcast_ref::<std::io::Error>()?.raw_os_error().map(Errno::from_raw);
    cause.downcast_ref().copied().or_else(io)
}

/// A line of the table.
struct Cause {
    id: &'static str,
    title: &'static str,
    /// Whether this is why. A [`Known`] error names its cause itself.
    is: fn(&Failure, &Situation) -> bool,
    explanation: fn(&Failure, &Situation) -> String,
    remedies: fn(&Failure, &Situation) -> Vec<Remedy>,
    /// Whether root of the machine would not have this trouble.
    root_helps: bool,
}

/// Returns why `error` has come about in `situation`, where that is known.
pub fn diagnose(error: &Error, situation: &Situation) -> Option<Diagnosis> {
    let failure = Failure::of(error)?;
    let is_it = |cause: &&Cause| match &failure.failed {
        Failed::Known(known) => known.id == cause.id,
        _ => (cause.is)(&failure, situation),
    };
    let cause = CAUSES.iter().find(is_it)?;
    Some(Diagnosis {
        id: cause.id.into(),
        title: cause.title.into(),
        explanation: (cause.explanation)(&failure, situation),
        remedies: (cause.remedies)(&failure, situation),
        root_helps: cause.root_helps,
    })
}

const NOTHING: &str = "nothing";
const HOST_ROOT: &str = "root in the container is root on your machine";
const LAYER: &str = "a layer of protection: a user namespace lets ordinary users, and any program they run, \
                     reach parts of the kernel that only root reached before";
const CONTAINER_WALL: &str = "what keeps root in that container from its host";

fn remedy(command: impl Into<String>, gives_up: &str) -> Remedy {
    Remedy { command: command.into(), gives_up: gives_up.into() }
}

/// The command that the maker of a [`Known`] error has given.
fn known(failure: &Failure, situation: &Situation, gives_up: &str) -> Vec<Remedy> {
    let Failed::Known(known) = failure.failed else { return Vec::new() };
    let command = known.command.as_ref();
    let command = command.map(|command| command.replace("{package}", &situation.package));
    command.map(|command| remedy(command, gives_up)).into_iter().collect()
}

fn as_root(situation: &Situation) -> Remedy {
    remedy(format!("cargo as-root -p {}", situation.package), HOST_ROOT)
}

fn rootless(situation: &Situation) -> Remedy {
    remedy(format!("cargo rootless -p {}", situation.package), NOTHING)
}

/// How to start the container that this process is in, for containers inside of it.
fn unconfined(situation: &Situation, more: &str) -> Remedy {
    let command = match situation.engine {
        Some(Engine::Kubernetes) => {
            "kubectl run containers -it --image=IMAGE --privileged".to_owned()
        }
        Some(Engine::Podman) => format!(
            "podman run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt unmask=ALL{more}"
        ),
        Some(Engine::Docker) | None => format!(
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt systempaths=unconfined{more}"
        ),
    };
    remedy(command, CONTAINER_WALL)
}

/// A scope of systemd's with a cgroup of its own: systemd.resource-control(5), Delegate=.
fn scope(situation: &Situation) -> Remedy {
    let user = if situation.root { "" } else { " --user" };
    let package = &situation.package;
    remedy(
        format!("systemd-run{user} --scope -p Delegate=yes cargo run -p {package}"),
        "nothing: the cgroup ends with the command",
    )
}

fn install(situation: &Situation, package: &str) -> Vec<Remedy> {
    let installer = situation.installer.iter();
    installer.map(|command| remedy(format!("sudo {command} {package}"), NOTHING)).collect()
}

/// All causes. The first that fits is the one, so the special ones are above the general ones.
const CAUSES: &[Cause] = &[
    Cause {
        id: "wsl1",
        title: "WSL 1 has no namespaces",
        is: |failure, situation| {
            situation.wsl == Some(1)
                && (failure.is_clone(&[failure.errno]) || failure.is_capability(&[failure.errno]))
        },
        explanation: |_, _| "WSL 1 is no Linux kernel, and has not these namespaces".into(),
        remedies: |_, _| {
            let name = std::env::var("WSL_DISTRO_NAME").unwrap_or("NAME".into());
            let gives_up = "fast access to the files of Windows; the distribution stops meanwhile";
            vec![remedy(format!("wsl.exe --set-version {name} 2"), gives_up)]
        },
        root_helps: false,
    },
    Cause {
        id: "old-kernel",
        title: "The kernel is older than 5.11",
        is: |failure, _| {
            matches!(failure.failed, Failed::Step(Step::Prepare(Call::CloseRange)))
                && failure.errno != Errno::EPERM
        },
        explanation: |_, situation| {
            let container = if situation.seccomp { ", or a newer container engine" } else { "" };
            format!("It takes Linux 5.11 or newer{container}")
        },
        remedies: |_, _| Vec::new(),
        root_helps: false,
    },
    Cause {
        id: "no-root",
        title: "It takes root",
        is: |failure, situation| {
            failure.is_capability(&[Errno::EPERM]) && !situation.cap_sys_admin && !situation.root
        },
        explanation: |_, _| "It takes root, with sudo or in a user namespace of your own".into(),
        remedies: |_, situation| vec![as_root(situation), rootless(situation)],
        root_helps: true,
    },
    Cause {
        id: "no-cap-sys-admin",
        title: "Root without CAP_SYS_ADMIN",
        is: |failure, situation| failure.is_capability(&[Errno::EPERM]) && !situation.cap_sys_admin,
        explanation: |_, _| "This root has no CAP_SYS_ADMIN, as in a container; this has it".into(),
        remedies: |_, situation| {
            let with_it = unconfined(situation, " --cap-add SYS_ADMIN --cap-add NET_ADMIN");
            // The filter refuses the user namespace, too.
            if situation.seccomp { vec![with_it] } else { vec![rootless(situation), with_it] }
        },
        root_helps: false,
    },
    Cause {
        id: "unprivileged-userns-clone",
        title: "User namespaces are for root alone",
        is: |failure, situation| {
            failure.is_new_user()
                && failure.errno == Errno::EPERM
                && !situation.cap_sys_admin
                && situation.unprivileged_userns_clone == Some(0)
        },
        explanation: |_, _| "User namespaces are for root alone here".into(),
        remedies: |_, _| vec![remedy("sudo sysctl kernel.unprivileged_userns_clone=1", LAYER)],
        root_helps: true,
    },
    Cause {
        id: "seccomp",
        title: "A seccomp filter refuses user namespaces",
        is: |failure, situation| {
            failure.is_new_user()
                && failure.errno == Errno::EPERM
                && situation.seccomp
                // Programs of the desktop have harmless filters, too.
                && (situation.engine.is_some()
                    || situation.apparmor_restrict_unprivileged_userns != Some(1))
        },
        explanation: |_, _| {
            "This looks like a container whose seccomp filter refuses user namespaces; start it with".into()
        },
        remedies: |_, situation| vec![unconfined(situation, "")],
        root_helps: false,
    },
    Cause {
        id: "container-apparmor",
        title: "The container's AppArmor profile refuses mounts",
        is: |failure, situation| {
            failure.is_capability(&[Errno::EACCES]) && situation.engine.is_some()
        },
        explanation: |_, _| {
            "The AppArmor profile of this container refuses mounts; start it with".into()
        },
        remedies: |_, situation| vec![unconfined(situation, "")],
        root_helps: false,
    },
    Cause {
        id: "apparmor",
        title: "AppArmor restricts user namespaces",
        is: |failure, situation| {
            let step = match failure.failed {
                Failed::Step(step) => {
                    failure.is_new_user() || matches!(step, Step::Map(..) | Step::Link(_))
                }
                _ => true,
            };
            step && [Errno::EPERM, Errno::EACCES].contains(&failure.errno)
                && situation.apparmor_restrict_unprivileged_userns == Some(1)
                && !situation.is_first_root()
        },
        explanation: |_, _| {
            "AppArmor leaves an ordinary user's user namespaces no capability, as on Ubuntu; a profile for \
             these programs lifts that"
                .into()
        },
        remedies: |_, _| {
            vec![
                remedy(
                    "cargo doctor apparmor | sudo apparmor_parser -r",
                    "the restriction for the programs of this folder, until the next boot",
                ),
                remedy("sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0", LAYER),
            ]
        },
        root_helps: true,
    },
    Cause {
        id: "foreign-proc",
        title: "/proc shows another PID namespace",
        is: |failure, _| matches!(failure.failed, Failed::Step(Step::OwnProc)),
        explanation: |_, _| {
            "/proc shows another PID namespace, where this number is another process's, as after `unshare \
             --pid` without --mount-proc; with a /proc of this one"
                .into()
        },
        remedies: |_, situation| {
            let command = format!("unshare --mount-proc cargo run -p {}", situation.package);
            vec![remedy(command, NOTHING)]
        },
        root_helps: false,
    },
    Cause {
        id: "covered-proc",
        title: "Parts of /proc are covered",
        is: |failure, situation| {
            failure.is_capability(&[Errno::EPERM])
                && situation.proc_covered
                && failure.said.contains("/proc")
        },
        explanation: |_, _| {
            "Parts of /proc are covered, as in a container, and no new one may show them; start that with"
                .into()
        },
        remedies: |_, situation| vec![unconfined(situation, "")],
        root_helps: false,
    },
    Cause {
        id: "foreign-namespace",
        title: "It belongs to another user namespace",
        is: |failure, situation| {
            failure.is_capability(&[Errno::EPERM]) && situation.user_namespace && !situation.seccomp
        },
        explanation: |_, _| {
            "This is root of a user namespace, and what it asks for belongs to another one; with namespaces \
             for all of it"
                .into()
        },
        remedies: |_, situation| vec![rootless(situation)],
        root_helps: true,
    },
    Cause {
        id: "container-seccomp",
        title: "A seccomp filter refuses a system call",
        is: |failure, situation| failure.is_capability(&[Errno::EPERM]) && situation.seccomp,
        explanation: |_, _| {
            "This looks like a container whose seccomp filter refuses this call; start it with"
                .into()
        },
        remedies: |_, situation| vec![unconfined(situation, "")],
        root_helps: false,
    },
    Cause {
        id: "userns-refused",
        title: "User namespaces are refused",
        is: |failure, _| failure.is_new_user() && failure.errno == Errno::EPERM,
        explanation: |_, _| {
            "User namespaces are refused here, as after a chroot(2), or by a security module".into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: false,
    },
    Cause {
        id: "max-user-namespaces",
        title: "User namespaces are switched off",
        is: |failure, situation| {
            failure.is_new_user()
                && failure.is_clone(&[Errno::ENOSPC, Errno::EUSERS])
                && situation.max_user_namespaces == Some(0)
        },
        explanation: |_, _| "User namespaces are switched off".into(),
        remedies: |_, _| vec![remedy("sudo sysctl user.max_user_namespaces=15000", LAYER)],
        root_helps: false,
    },
    Cause {
        id: "namespace-limit",
        title: "A limit of namespaces is reached",
        is: |failure, _| failure.is_clone(&[Errno::ENOSPC, Errno::EUSERS]),
        explanation: |_, _| {
            "A limit of namespaces is reached, or 32 are nested; the limits of this machine show"
                .into()
        },
        remedies: |_, _| vec![remedy("grep . /proc/sys/user/max_*_namespaces", NOTHING)],
        root_helps: false,
    },
    Cause {
        id: "process-limit",
        title: "The limit of processes is reached",
        is: |failure, _| failure.is_clone(&[Errno::EAGAIN]),
        explanation: |_, _| {
            "The limit of processes is reached: see `ulimit -u`, and pids.max of this cgroup".into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: false,
    },
    Cause {
        id: "no-such-namespace",
        title: "The kernel lacks a kind of namespace",
        is: |failure, _| failure.is_clone(&[Errno::EINVAL, Errno::ENOSYS]),
        explanation: |_, _| "This kernel was built without one of these namespaces".into(),
        remedies: |_, _| Vec::new(),
        root_helps: false,
    },
    Cause {
        id: "initramfs",
        title: "The root file system cannot be changed",
        is: |failure, _| {
            failure.is_capability(&[Errno::EINVAL]) && failure.said.contains("pivot_root")
        },
        explanation: |_, _| {
            "It cannot be done on an initramfs, nor where the root directory's mount, or the one below it, \
             is shared"
                .into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: false,
    },
    Cause {
        id: "chroot",
        title: "Started after a chroot",
        is: |failure, _| {
            failure.is_capability(&[Errno::EINVAL]) && failure.said.contains("all mounts private")
        },
        explanation: |_, _| {
            "The root directory is no mount point, as after a chroot(2): start it outside of that"
                .into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: false,
    },
    Cause {
        id: "no-proc",
        title: "/proc is not mounted",
        is: |failure, _| {
            failure.is_execve(|program| program == Path::new("/proc/self/exe"), &[Errno::ENOENT])
        },
        explanation: |_, _| "/proc is not mounted here".into(),
        remedies: |_, _| vec![remedy("sudo mount -t proc proc /proc", NOTHING)],
        root_helps: false,
    },
    Cause {
        id: "shell",
        title: "The shell cannot be executed",
        is: |failure, _| {
            failure.is_execve(|_| true, &[Errno::ENOENT, Errno::ENOEXEC, Errno::EACCES])
        },
        explanation: |failure, _| {
            let without_path = |program: &Path| program.components().count() == 1;
            let explanation = match failure.errno {
                Errno::ENOENT if failure.is_execve(without_path, &[Errno::ENOENT]) => {
                    "The whole path is wanted, such as /bin/sh: PATH is not searched"
                }
                Errno::ENOENT => {
                    "There is no such file, or its interpreter is missing (from stage 03 on its path starts \
                     at the root directory of the container)"
                }
                Errno::ENOEXEC => {
                    "It is no program for this machine's architecture, or a script without a #! line"
                }
                _ => "It is not an executable file, or its file system is mounted noexec",
            };
            explanation.into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: false,
    },
    Cause {
        id: "no-such-device",
        title: "The modules bridge and veth are missing",
        is: |failure, _| failure.is_link(Errno::EOPNOTSUPP),
        explanation: |_, _| "The kernel has no such devices: their modules are missing".into(),
        remedies: |_, situation| {
            let mut remedies = vec![remedy("sudo modprobe -a bridge veth", NOTHING)];
            if situation.installer == Some("apt-get install") {
                let package = "linux-modules-extra-$(uname -r)";
                remedies.push(remedy(format!("sudo apt-get install {package}"), NOTHING));
            }
            remedies
        },
        root_helps: false,
    },
    Cause {
        id: "no-cap-net-admin",
        title: "Root without CAP_NET_ADMIN",
        is: |failure, _| failure.is_link(Errno::EPERM),
        explanation: |_, _| {
            "This root has no CAP_NET_ADMIN for this network namespace; an ordinary user gets one of their \
             own, and so can you"
                .into()
        },
        remedies: |_, situation| {
            let package = &situation.package;
            if situation.seccomp {
                return vec![unconfined(situation, " --cap-add NET_ADMIN")];
            }
            vec![remedy(
                format!("unshare --user --map-root-user --mount --net cargo run -p {package}"),
                "the bridge on the host: the containers of two such starts do not reach each other",
            )]
        },
        root_helps: true,
    },
    Cause {
        id: "br-netfilter",
        title: "Packets between containers are dropped",
        is: |_, _| false,
        explanation: |_, _| {
            "br_netfilter is loaded, and iptables drops what it is to forward (as Docker wants it)"
                .into()
        },
        remedies: |failure, situation| {
            known(failure, situation, "nothing: it is for packets between these containers")
        },
        root_helps: false,
    },
    Cause {
        id: "cgroup-of-another-root",
        title: "The cgroup belongs to another root",
        is: |failure, situation| {
            failure.is_cgroup(&[Errno::EACCES, Errno::EPERM]) && situation.root
        },
        explanation: |_, _| {
            "This root has no right to the cgroup that it is in, as in a user namespace or a container: \
             start it outside of that"
                .into()
        },
        remedies: |_, situation| vec![as_root(situation)],
        root_helps: true,
    },
    Cause {
        id: "cgroup-not-delegated",
        title: "The cgroup is not yours",
        is: |failure, situation| {
            failure.is_cgroup(&[Errno::EACCES, Errno::EPERM]) && situation.cgroups == Cgroups::V2
        },
        explanation: |_, _| "It takes root, or a cgroup that is yours".into(),
        remedies: |_, situation| vec![scope(situation), as_root(situation)],
        root_helps: true,
    },
    Cause {
        id: "cgroup-v1",
        title: "On cgroup v1 it takes root",
        is: |failure, _| failure.is_cgroup(&[Errno::EACCES, Errno::EPERM]),
        explanation: |_, _| {
            "On cgroup v1 it takes root (systemd gives users a cgroup of their own on v2 alone)"
                .into()
        },
        remedies: |_, situation| vec![as_root(situation)],
        root_helps: true,
    },
    Cause {
        id: "cgroup-read-only",
        title: "The cgroups are read-only",
        is: |failure, _| failure.is_cgroup(&[Errno::EROFS]),
        explanation: |_, _| {
            "The cgroups are mounted read-only, as in a container; mount them anew where you may, or start \
             the container with"
                .into()
        },
        remedies: |_, situation| {
            let directory = match situation.cgroups {
                Cgroups::V2 => "/sys/fs/cgroup",
                _ => "/sys/fs/cgroup/pids",
            };
            let gives_up = "the container can change the cgroups that it sees";
            let run = match situation.engine {
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
    Cause {
        id: "cgroup-busy",
        title: "The cgroup has others below it",
        is: |failure, _| failure.is_cgroup(&[Errno::EBUSY, Errno::EOPNOTSUPP]),
        explanation: |_, _| {
            "Other cgroups with processes are below the one that this process is in; in one of its own".into()
        },
        remedies: |_, situation| vec![scope(situation)],
        root_helps: false,
    },
    Cause {
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
    Cause {
        id: "no-pids-controller",
        title: "No controller pids",
        is: |_, _| false,
        explanation: |_, situation| match situation.pids_is_v1 {
            None => {
                "The kernel has no controller pids, or it is switched off (cgroup_disable=pids)"
                    .into()
            }
            Some(_) => "They can be".into(),
        },
        remedies: |_, situation| match situation.pids_is_v1 {
            Some(false) if situation.cgroups != Cgroups::V2 => {
                vec![remedy("sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup", NOTHING)]
            }
            Some(true) => {
                let tmpfs = match situation.cgroups {
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
    Cause {
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
    Cause {
        id: "root-noexec",
        title: "The root directory is mounted noexec",
        is: |_, _| false,
        explanation: |_, _| "Its file system is mounted noexec, so put it elsewhere".into(),
        remedies: |failure, situation| known(failure, situation, NOTHING),
        root_helps: false,
    },
    Cause {
        id: "root-of-another-user",
        title: "The root directory is another user's",
        is: |_, _| false,
        explanation: |_, _| {
            "Its owner could have planted what you are about to execute; use one of your own".into()
        },
        remedies: |failure, situation| known(failure, situation, NOTHING),
        root_helps: false,
    },
    Cause {
        id: "root-writable",
        title: "Others can write to the root directory",
        is: |_, _| false,
        explanation: |_, _| {
            "Other users could have planted what you are about to execute; when you trust it".into()
        },
        remedies: |failure, situation| {
            known(failure, situation, "the others' right to write there")
        },
        root_helps: false,
    },
    Cause {
        id: "root-not-whole",
        title: "The root directory is not whole",
        is: |_, _| false,
        explanation: |_, _| "Something is missing in it; this helps".into(),
        remedies: |failure, situation| known(failure, situation, NOTHING),
        root_helps: false,
    },
    Cause {
        id: "no-busybox",
        title: "No programs for a root directory",
        is: |_, _| false,
        explanation: |_, _| {
            "A root directory is made of busybox, or of your own programs, and here both are missing".into()
        },
        remedies: |_, situation| {
            let debian = situation.installer == Some("apt-get install");
            install(situation, if debian { "busybox-static" } else { "busybox" })
        },
        root_helps: false,
    },
];

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    /// An ordinary user on an ordinary machine.
    fn user() -> Situation {
        Situation { package: "pid".into(), max_user_namespaces: Some(100), ..Situation::default() }
    }

    /// Root of a user namespace.
    fn namespace_root() -> Situation {
        Situation { root: true, cap_sys_admin: true, user_namespace: true, ..user() }
    }

    /// The page for readers.
    const BOOK: &str = include_str!("../../book/src/when-it-does-not-work.md");

    #[test]
    fn the_book_has_a_heading_for_each_cause_in_the_order_of_the_table() {
        let headings: Vec<_> = BOOK.lines().filter(|line| line.contains("{#")).collect();
        let expected = |cause: &Cause| format!("## {} {{#{}}}", cause.title, cause.id);
        assert_eq!(headings, CAUSES.iter().map(expected).collect::<Vec<_>>());
    }

    #[track_caller]
    fn assert_advice(error: Error, situation: &Situation, words: &[&str]) {
        let advice = diagnose(&error, situation).expect("advice").to_string();
        for word in words {
            assert!(advice.contains(word), "{word:?} is not in {advice:?}");
        }
        assert_eq!(advice.lines().count(), 1);
        let (_, more) = advice.rsplit_once(". More: `cargo doctor`, and ").expect("a pointer");
        assert!(more.starts_with(&format!("{PAGE}#")), "{more}");
    }

    fn cloning(errno: Errno, flags: CloneFlags) -> Error {
        Error::new(errno).context(Step::Clone(flags))
    }

    #[test]
    fn an_ordinary_user_gets_both_ways_to_root() {
        let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWPID);
        assert_advice(error, &user(), &["cargo as-root -p pid", "cargo rootless -p pid"]);
    }

    #[test]
    fn a_debian_kernel_that_keeps_user_namespaces_for_root_is_told_by_its_sysctl() {
        let situation = Situation { unprivileged_userns_clone: Some(0), ..user() };
        let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
        assert_advice(error, &situation, &["sudo sysctl kernel.unprivileged_userns_clone=1"]);
    }

    #[test]
    fn a_container_without_the_right_to_make_namespaces_is_told_by_its_seccomp_filter() {
        let situation = Situation { seccomp: true, ..user() };
        let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
        assert_advice(error, &situation, &["docker run", "seccomp=unconfined"]);
    }

    #[test]
    fn an_injected_ubuntu_is_offered_a_profile_first_and_the_sysctl_second() {
        let situation =
            Situation { apparmor_restrict_unprivileged_userns: Some(1), ..namespace_root() };
        let error = Err::<(), _>(Errno::EPERM).context("set the hostname").unwrap_err();
        assert_advice(
            error,
            &situation,
            &["cargo doctor apparmor | sudo apparmor_parser -r` or `sudo sysctl \
                 kernel.apparmor_restrict_unprivileged_userns=0"],
        );
        let own_maps = || Error::new(Errno::EPERM).context(Step::Map("uid_map", "0 0 1".into()));
        assert_advice(own_maps(), &situation, &["AppArmor"]);
        // The restriction is for ordinary users alone.
        let root = Situation { user_namespace: false, ..situation };
        assert_eq!(diagnose(&own_maps(), &root), None);
    }

    #[test]
    fn an_injected_ubuntu_host_is_not_why_its_containers_seccomp_filter_refuses() {
        let restricted =
            Situation { seccomp: true, apparmor_restrict_unprivileged_userns: Some(1), ..user() };
        let error = || cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
        // A terminal of the desktop may have a filter of its own.
        assert_advice(error(), &restricted, &["AppArmor"]);
        let container = Situation { engine: Some(Engine::Docker), ..restricted };
        assert_advice(error(), &container, &["seccomp filter refuses"]);
    }

    #[test]
    fn an_injected_wsl_1_is_told_to_become_wsl_2() {
        let situation = Situation { wsl: Some(1), ..user() };
        let error = cloning(Errno::EINVAL, CloneFlags::CLONE_NEWUSER);
        assert_advice(error, &situation, &["WSL 1", "wsl.exe --set-version"]);
    }

    #[test]
    fn an_injected_kernel_without_close_range_is_named_with_the_minimum() {
        let error = Error::new(Errno::ENOSYS).context(Step::Prepare(Call::CloseRange));
        assert_advice(error, &user(), &["Linux 5.11 or newer"]);
    }

    #[test]
    fn an_injected_container_of_each_engine_gets_the_command_of_that_engine() {
        for (engine, words) in [
            (Engine::Docker, &["docker run", "systempaths=unconfined"][..]),
            (Engine::Podman, &["podman run", "unmask=ALL"]),
            (Engine::Kubernetes, &["kubectl run", "--privileged"]),
        ] {
            let situation = Situation { seccomp: true, engine: Some(engine), ..user() };
            let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
            assert_advice(error, &situation, words);
            let error = Err::<(), _>(Errno::EACCES).context("mount /proc").unwrap_err();
            assert_advice(error, &Situation { seccomp: false, ..situation }, words);
        }
    }

    #[test]
    fn injected_missing_modules_are_loaded_or_installed() {
        let situation = Situation { installer: Some("apt-get install"), ..namespace_root() };
        let missing = std::io::Error::from_raw_os_error(Errno::EOPNOTSUPP as i32);
        let error = Error::new(missing).context(Step::Link("brg0".into()));
        assert_advice(error, &situation, &["sudo modprobe -a bridge veth", "linux-modules-extra"]);
    }

    #[test]
    fn a_covered_proc_shows_where_a_new_one_is_mounted() {
        let situation = Situation { proc_covered: true, ..namespace_root() };
        let error = Err::<(), _>(Errno::EPERM).context("mount /proc").unwrap_err();
        assert_advice(error, &situation, &["systempaths=unconfined"]);
    }

    #[test]
    fn a_proc_of_another_pid_namespace_is_replaced_by_one_of_its_own() {
        let error = Error::new(Errno::ESRCH).context(Step::OwnProc);
        assert_advice(error, &namespace_root(), &["unshare --mount-proc cargo run -p pid"]);
    }

    #[test]
    fn root_of_a_user_namespace_without_mounts_of_its_own_is_told_how_to_get_them() {
        let error = Err::<(), _>(Errno::EPERM).context("mount /proc").unwrap_err();
        assert_advice(error, &namespace_root(), &["cargo rootless -p pid"]);
    }

    #[test]
    fn root_without_its_capability_is_told_that_it_is_in_a_container() {
        let situation = Situation { root: true, ..user() };
        let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUTS);
        assert_advice(error, &situation, &["CAP_SYS_ADMIN", "--cap-add SYS_ADMIN"]);
    }

    #[test]
    fn user_namespaces_are_switched_off_only_for_who_asks_for_one() {
        let situation = Situation { max_user_namespaces: Some(0), ..user() };
        let error = cloning(Errno::ENOSPC, CloneFlags::CLONE_NEWUSER);
        assert_advice(error, &situation, &["sysctl user.max_user_namespaces"]);
        let error = cloning(Errno::ENOSPC, CloneFlags::CLONE_NEWUTS);
        assert_advice(error, &situation, &["limit of namespaces"]);
    }

    #[test]
    fn who_may_not_make_a_cgroup_gets_the_ways_that_this_machine_has() {
        let refused = |errno: Errno| Error::new(errno).context(Step::Cgroup("/x".into()));
        let (v1, v2) = (user(), Situation { cgroups: Cgroups::V2, ..user() });
        let scope = "systemd-run --user --scope -p Delegate=yes cargo run -p pid";
        assert_advice(refused(Errno::EACCES), &v2, &["cargo as-root -p pid", scope]);
        assert_advice(refused(Errno::EACCES), &v1, &["cargo as-root -p pid", "v1"]);
        assert!(
            !diagnose(&refused(Errno::EACCES), &v1).unwrap().to_string().contains("systemd-run")
        );
        assert_advice(refused(Errno::EACCES), &namespace_root(), &["outside"]);
        assert_advice(refused(Errno::EROFS), &v2, &["docker run", "--cgroupns=host", ":rw"]);
        assert_advice(refused(Errno::EBUSY), &v2, &[scope]);
        let root = Situation { root: true, ..v2.clone() };
        assert_advice(refused(Errno::EBUSY), &root, &["`systemd-run --scope -p Delegate=yes"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_gets_no_advice_about_root() {
        let denied = std::io::Error::from_raw_os_error(Errno::EPERM as i32);
        assert_eq!(diagnose(&Error::new(denied).context("rename"), &user()), None);
    }

    #[test]
    fn a_shell_without_a_path_is_told_that_nothing_is_searched() {
        let error = |program: &str| Error::new(Errno::ENOENT).context(Step::Execve(program.into()));
        assert_advice(error("sh"), &user(), &["/bin/sh"]);
        assert_advice(error("/proc/self/exe"), &user(), &["/proc is not mounted"]);
    }
}
