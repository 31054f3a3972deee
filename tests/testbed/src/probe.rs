//! What /proc shows of a process from outside.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Pid;

pub use crate::cgroup::of as cgroup;

/// Reads /proc/`pid`/`file`; nothing when the process has ended.
pub fn read(pid: Pid, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the identity of a process's namespace, as in `uts:[4026531838]`. The kinds are the names in
/// /proc/PID/ns: namespaces(7).
#[track_caller]
pub fn namespace(pid: Pid, kind: &str) -> PathBuf {
    let link = format!("/proc/{pid}/ns/{kind}");
    fs::read_link(&link).unwrap_or_else(|error| panic!("{link}: {error}"))
}

/// Returns a field of /proc/PID/status: proc_pid_status(5).
#[track_caller]
pub fn status(pid: Pid, field: &str) -> String {
    let status = read(pid, "status");
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {field} in /proc/{pid}/status")).trim().to_owned()
}

/// Returns the columns of /proc/`process`/stat, from the one after the name on, which may hold anything: proc_pid_stat(5), in
/// Debian 12 proc(5). Their numbers are lower by 3 than there. There are none when the process has ended.
pub fn stat(process: impl Display) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{process}/stat")).unwrap_or_default();
    let stat = String::from_utf8_lossy(&bytes);
    let after_name = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    after_name.split_whitespace().map(str::to_owned).collect()
}

/// Returns the numbers of a process's open descriptors, in order.
#[track_caller]
pub fn descriptors(pid: Pid) -> Vec<i32> {
    let directory = format!("/proc/{pid}/fd");
    let mut numbers: Vec<i32> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{directory}: {error}"))
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort();
    numbers
}

/// Returns the mounts that a process sees, as `source target type`.
pub fn mounts(pid: Pid) -> Vec<String> {
    let mounts = read(pid, "mounts");
    mounts.lines().map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect()
}

/// Returns what is below the root of this process's mount namespace: `nothing`, or what comes to light when it is
/// unmounted. That happens in a copy, for which this process enters a new mount namespace.
pub fn below_the_root() -> String {
    let none: Option<&str> = None;
    let unmounted = unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none))
        .and_then(|()| umount2("/", MntFlags::MNT_DETACH));
    match unmounted {
        Ok(()) => "another root, since this one can be unmounted".into(),
        // It is all that there is: umount(2).
        Err(Errno::EINVAL) => "nothing".into(),
        Err(error) => error.to_string(),
    }
}

/// Returns the names of the network devices that a process sees, sorted, as in `eth0 lo`.
pub fn devices(pid: Pid) -> String {
    let table = read(pid, "net/dev");
    // Two lines are a heading.
    let mut names: Vec<_> =
        table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    names.sort();
    names.join(" ")
}

/// Returns a process's program and its arguments, as in `tail -f /dev/null`: proc_pid_cmdline(5). One that is just being
/// executed has none for a moment, which is waited for.
pub fn command_line(pid: Pid) -> String {
    let now = || read(pid, "cmdline").replace('\0', " ").trim().to_owned();
    for _ in 0..100 {
        if !now().is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    now()
}

/// Returns those at the other ends of the TCP connections in a process's network namespace, as in
/// `10.10.10.1 10.10.10.2`.
pub fn peers(pid: Pid) -> String {
    let table = read(pid, "net/tcp");
    let peer = |line: &str| {
        let address = line.split_whitespace().nth(2)?.split_once(':')?.0;
        // As it is in memory, in the order of the network.
        let address = u32::from_str_radix(address, 16).ok()?;
        Some(Ipv4Addr::from(address.to_ne_bytes()))
    };
    let all = table.lines().skip(1).filter_map(peer);
    // A socket that listens has none.
    let all: BTreeSet<_> = all.filter(|address| !address.is_unspecified()).collect();
    all.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(" ")
}

/// Returns the path of a process's cgroup as /proc/PID/cgroup shows it in this process's cgroup namespace: on cgroup
/// v1 that in the hierarchy of this controller.
pub fn cgroup_path(pid: Pid, controller: &str) -> String {
    crate::cgroup::path(pid, controller).unwrap_or_default()
}

/// Returns the System V message queues of this process's IPC namespace, a line each, as in `key 1: 2 messages`:
/// /proc/sysvipc/msg in proc_sysvipc(5).
pub fn message_queues() -> String {
    let list = fs::read_to_string("/proc/sysvipc/msg").unwrap_or_default();
    let queues = list.lines().skip(1).map(|queue| {
        let columns: Vec<_> = queue.split_whitespace().collect();
        format!("key {}: {} messages", columns[0], columns[4])
    });
    queues.collect::<Vec<_>>().join("\n")
}

/// Returns all processes of this PID namespace, zombies included.
pub fn processes() -> Vec<Pid> {
    let mut pids: Vec<_> = fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .collect();
    pids.sort();
    pids
}

/// Returns the children of a process.
pub fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.to_string();
    let is_child = |pid: &Pid| stat(pid).get(1) == Some(&parent);
    processes().into_iter().filter(is_child).collect()
}

/// Returns the descendants of a process, parents before their children.
pub fn descendants(parent: Pid) -> Vec<Pid> {
    let mut found = children(parent);
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children(*pid));
        next += 1;
    }
    found
}
