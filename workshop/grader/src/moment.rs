//! What a learner's function does to the host for a moment: once it is taken back it leaves no trace, so the calls tell.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path};

use nix::libc::{self, c_int, c_long};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket,
};
use nix::unistd::{Pid, getpid, read};
use testbed::probe;

use crate::host::{Host, namespaces};
use crate::watch::{Call, WRITES};

/// Calls that change what a namespace holds: their names, and the kind of the namespace.
const CHANGES: [(c_long, &str, &str); 13] = [
    (libc::SYS_sethostname, "sethostname(2)", "uts"),
    (libc::SYS_setdomainname, "setdomainname(2)", "uts"),
    (libc::SYS_mount, "mount(2)", "mnt"),
    (libc::SYS_umount2, "umount(2)", "mnt"),
    (libc::SYS_move_mount, "move_mount(2)", "mnt"),
    (libc::SYS_mount_setattr, "mount_setattr(2)", "mnt"),
    (libc::SYS_pivot_root, "pivot_root(2)", "mnt"),
    (libc::SYS_fsconfig, "fsconfig(2)", "mnt"),
    (libc::SYS_mq_open, "mq_open(2)", "ipc"),
    (libc::SYS_mq_unlink, "mq_unlink(2)", "ipc"),
    (libc::SYS_msgctl, "msgctl(2)", "ipc"),
    (libc::SYS_semget, "semget(2)", "ipc"),
    (libc::SYS_shmget, "shmget(2)", "ipc"),
];

/// Calls after which nobody could tell what has been done, and which no exercise takes.
const UNSEEN: [(c_long, &str); 10] = [
    (libc::SYS_add_key, "add_key(2)"),
    (libc::SYS_fsetxattr, "fsetxattr(2)"),
    (libc::SYS_io_uring_setup, "io_uring_setup(2)"),
    (libc::SYS_keyctl, "keyctl(2)"),
    (libc::SYS_landlock_restrict_self, "landlock_restrict_self(2)"),
    (libc::SYS_lsetxattr, "lsetxattr(2)"),
    (libc::SYS_process_vm_writev, "process_vm_writev(2)"),
    (libc::SYS_ptrace, "ptrace(2)"),
    (libc::SYS_request_key, "request_key(2)"),
    (libc::SYS_setxattr, "setxattr(2)"),
];

/// Calls that send a signal to a process, whose id is their first argument, or to that of a pidfd.
const SIGNALS: [c_long; 5] = [
    libc::SYS_kill,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_tgkill,
    libc::SYS_tkill,
];

/// The protocols of netlink(7) whose changes are seen, or that change nothing: NETLINK_ROUTE, NETLINK_SOCK_DIAG,
/// NETLINK_NETFILTER, NETLINK_KOBJECT_UEVENT and NETLINK_GENERIC.
const NETLINK: [u64; 5] = [0, 4, 12, 15, 16];

/// The kinds of namespaces, as in /proc/PID/ns, with what clone(2) calls them.
const KINDS: [(c_int, &str); 8] = [
    (libc::CLONE_NEWCGROUP, "cgroup"),
    (libc::CLONE_NEWIPC, "ipc"),
    (libc::CLONE_NEWNET, "net"),
    (libc::CLONE_NEWNS, "mnt"),
    (libc::CLONE_NEWPID, "pid"),
    // CLONE_NEWTIME
    (0x80, "time"),
    (libc::CLONE_NEWUSER, "user"),
    (libc::CLONE_NEWUTS, "uts"),
];

/// Where settings are that a namespace has: below /proc/sys, and the kind.
const SETTINGS: [(&str, &str); 5] = [
    ("sys/kernel/hostname", "uts"),
    ("sys/kernel/domainname", "uts"),
    ("sys/kernel/", "ipc"),
    ("sys/fs/mqueue/", "ipc"),
    ("sys/net/", "net"),
];

/// The calls that tell.
pub(crate) fn calls() -> Vec<c_long> {
    let changes = CHANGES.iter().map(|(number, _, _)| *number);
    let namespaces = [libc::SYS_unshare, libc::SYS_setns, libc::SYS_clone, libc::SYS_clone3];
    let unseen = UNSEEN.iter().map(|(number, _)| *number).chain([libc::SYS_socket]);
    changes.chain(namespaces).chain(unseen).chain(SIGNALS).chain(WRITES).collect()
}

/// What a failure calls that.
pub(crate) const DONE: &str = "what your function does to the host, if only for a moment";

/// Returns what is wrong about a call, if anything is: what it is, and what the kernel shows.
pub(crate) fn fault(call: &Call, host: &Host) -> Option<(&'static str, String)> {
    const NAMESPACE: &str =
        "a namespace that is none of your function's business, if only for a moment";
    let hosts = |kind: &str| {
        let own = namespaces(call.process).remove(kind);
        own.is_some_and(|own| own == host.namespace(kind))
    };
    if let Some((_, name, kind)) = CHANGES.iter().find(|(number, _, _)| *number == call.number) {
        let is_wrong = hosts(kind) && !(*kind == "mnt" && host.may_leave_a("+ mount:"));
        return is_wrong.then(|| (DONE, format!("{name} in its namespace {kind}")));
    }
    if WRITES.contains(&call.number) {
        return written(&call.file, hosts, host.cgroup_or_none())
            .map(|place| (DONE, format!("a write to {place}")));
    }
    if let Some(name) = unseen(call) {
        return Some(("what your function does unseen", name.into()));
    }
    if SIGNALS.contains(&call.number) {
        let other = signalled(call, host).filter(|process| is_of_others(*process, call.process));
        return other.map(|process| {
            let name = probe::read(process, "comm");
            (DONE, format!("a signal to process {process}, {}", name.trim_end()))
        });
    }
    let kinds = match call.number {
        libc::SYS_unshare | libc::SYS_clone => kinds(call.arguments[0]).collect(),
        libc::SYS_clone3 => kinds(flags_of_clone3(call).unwrap_or_default()).collect(),
        libc::SYS_setns => joined(call),
        _ => return None,
    };
    let mut others = kinds.into_iter().filter(|kind| !host.kind_may_change(kind));
    others.next().map(|kind| (NAMESPACE, kind.to_owned()))
}

/// Returns the name of a call whose doings nobody sees.
fn unseen(call: &Call) -> Option<&'static str> {
    let [family, _, protocol, ..] = call.arguments;
    if call.number == libc::SYS_socket {
        let is_seen = family != libc::AF_NETLINK as u64 || NETLINK.contains(&protocol);
        return (!is_seen)
            .then_some("socket(2), of a protocol of netlink(7) that no exercise takes");
    }
    UNSEEN.iter().find(|(number, _)| *number == call.number).map(|(_, name)| *name)
}

/// Returns the process that a signal is for, if it is one alone. (With 0 kill(2) asks whether it is there.)
fn signalled(call: &Call, host: &Host) -> Option<Pid> {
    let [process, second, third, ..] = call.arguments;
    let signal = if call.number == libc::SYS_tgkill { third } else { second };
    // In another PID namespace the numbers are others.
    let is_here = || namespaces(call.process).get("pid") == Some(&host.namespace("pid"));
    match call.number {
        _ if signal == 0 => None,
        libc::SYS_pidfd_send_signal => behind(call.process, process),
        _ => is_here().then(|| Pid::from_raw(process as i32)),
    }
}

/// Whether a process is there, and has nothing to do with a learner's function that `caller` belongs to.
fn is_of_others(process: Pid, caller: Pid) -> bool {
    let with_all = |pid: Pid| [vec![pid], probe::descendants(pid)].concat();
    let functions = probe::children(getpid()).into_iter().map(with_all);
    let own = functions.into_iter().find(|own| own.contains(&caller)).unwrap_or(vec![caller]);
    !own.contains(&process) && probe::processes().contains(&process)
}

/// Returns the process of a pidfd, of which only its process knows the number, and of which the kernel shows it.
fn behind(process: Pid, pidfd: u64) -> Option<Pid> {
    let info = probe::read(process, &format!("fdinfo/{pidfd}"));
    let shown = info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim();
    shown.parse().ok().map(Pid::from_raw)
}

/// Returns the kinds of namespaces that these flags of clone(2) are for.
fn kinds(flags: u64) -> impl Iterator<Item = &'static str> {
    KINDS.iter().filter(move |(flag, _)| flags & *flag as u64 != 0).map(|(_, kind)| *kind)
}

/// Returns the flags of a call of clone3(2): they begin the structure that its first argument points to.
fn flags_of_clone3(call: &Call) -> Option<u64> {
    let memory = File::open(format!("/proc/{}/mem", call.process)).ok()?;
    let mut flags = [0; size_of::<u64>()];
    memory.read_exact_at(&mut flags, call.arguments[0]).ok()?;
    Some(u64::from_ne_bytes(flags))
}

/// Returns the kinds of the namespaces that a call of setns(2) is about to enter, and has not yet.
fn joined(call: &Call) -> Vec<&'static str> {
    let now = namespaces(call.process);
    let target = call.file.display().to_string();
    if !target.starts_with("anon_inode:[") {
        let is_new = |kind: &&str| {
            target.starts_with(&format!("{kind}:[")) && now.get(*kind) != Some(&target)
        };
        return KINDS.iter().map(|(_, kind)| *kind).filter(is_new).collect();
    }
    let there = behind(call.process, call.arguments[0]).map(namespaces).unwrap_or_default();
    kinds(call.arguments[1])
        .filter(|kind| there.is_empty() || there.get(*kind) != now.get(*kind))
        .collect()
}

/// Returns which of the host's settings or limits a write is to.
fn written(file: &Path, hosts: impl Fn(&str) -> bool, cgroup: Option<&Path>) -> Option<String> {
    let shown = file.display().to_string();
    if shown.starts_with("/proc/") && file.ends_with("mem") {
        return Some(shown);
    }
    // Where a proc is mounted elsewhere, the path begins otherwise.
    let setting = SETTINGS.iter().find(|(place, _)| {
        shown.find(place).is_some_and(|at| shown[..at].ends_with('/') && !file.starts_with("/tmp"))
    });
    if let Some((_, kind)) = setting {
        return hosts(kind).then_some(shown);
    }
    let (beside, name) = (cgroup?.parent()?, file.file_name()?);
    let below = file.strip_prefix(beside).ok()?;
    // What hands down controllers is compared as the limits are.
    let is_the_containers =
        below.components().any(|part| part == Component::Normal("container".as_ref()));
    (!is_the_containers && name != "cgroup.subtree_control").then_some(shown)
}

/// Hears of what is mounted and unmounted in the mount namespace that this process is in: proc_pid_mounts(5).
pub(crate) struct Mounts(Option<File>);

impl Mounts {
    pub(crate) fn begin() -> Mounts {
        Mounts(File::open("/proc/self/mountinfo").ok())
    }

    /// Whether anything has been, since this was made.
    pub(crate) fn have_changed(&self) -> bool {
        let Some(file) = &self.0 else { return false };
        let mut polled = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
        poll(&mut polled, PollTimeout::ZERO) == Ok(1)
    }
}

/// Hears of new devices, addresses, routes and rules of the network namespace that this process is in: rtnetlink(7).
pub(crate) struct Network(Option<OwnedFd>);

impl Network {
    pub(crate) fn begin() -> Network {
        let groups = libc::RTMGRP_LINK
            | libc::RTMGRP_IPV4_IFADDR
            | libc::RTMGRP_IPV4_ROUTE
            // RTMGRP_IPV4_RULE
            | 0x80;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).ok();
        Network(
            socket.filter(|socket| {
                bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups as u32)).is_ok()
            }),
        )
    }

    /// Whether there has been any since this was made. What ends is left out, since it can be what the end of a container
    /// brings, and so is what comes by itself with a cable at the other end.
    pub(crate) fn has_changed(&self) -> bool {
        let Some(socket) = &self.0 else { return false };
        let mut message = [0; 8192];
        while let Ok(length) = read(socket, &mut message) {
            if is_made(&message[..length]) {
                return true;
            }
        }
        false
    }
}

/// Whether a message tells of something that somebody has made, or, of a device, set up or down: netlink(7).
fn is_made(message: &[u8]) -> bool {
    let number = |at: usize| {
        let bytes = message.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_ne_bytes(bytes.unwrap_or_default())
    };
    let [low, high, ..] = number(4).to_ne_bytes();
    match u16::from_ne_bytes([low, high]) {
        libc::RTM_NEWADDR | libc::RTM_NEWROUTE | libc::RTM_NEWRULE => true,
        // The flags that have changed, which for a new one are all.
        libc::RTM_NEWLINK => number(28) & libc::IFF_UP as u32 != 0,
        _ => false,
    }
}
