//! What a process has of its own, beside its namespaces: rights, limits, descriptors. A learner's function has no business
//! with most of it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::{env, fs, mem};

use nix::libc::{self, c_int};
use nix::unistd::Pid;
use testbed::probe;

/// What of /proc/PID/status, by its names there: proc_pid_status(5).
const STATUS: [&str; 15] = [
    "CapAmb",
    "CapBnd",
    "CapEff",
    "CapInh",
    "CapPrm",
    "Gid",
    "Groups",
    "Seccomp",
    "Seccomp_filters",
    "SigBlk",
    "SigCgt",
    "SigIgn",
    "Threads",
    "Uid",
    "Umask",
];

/// What follows from a user namespace that is entered: user_namespaces(7), "Capabilities", and prctl(2).
const OF_A_USER_NAMESPACE: [&str; 12] = [
    "CapAmb",
    "CapBnd",
    "CapEff",
    "CapInh",
    "CapPrm",
    "Gid",
    "Groups",
    "Uid",
    "dumpable",
    "keep_caps",
    "pdeathsig",
    "securebits",
];

/// The lines that tell, as in `own umask: 0022`.
pub(crate) type Lines = BTreeSet<String>;

/// Looks at a process from outside.
pub(crate) fn seen(pid: Pid) -> Lines {
    let mut lines = set_by_others(pid);
    add_status(pid, &STATUS, &mut lines);
    add_stat(pid, &[("group", 2), ("session", 3), ("terminal", 4)], &mut lines);
    let mut note = |name: &str, value: &str| lines.insert(line(name, value));
    note("name", probe::read(pid, "comm").trim_end());
    note("personality", probe::read(pid, "personality").trim());
    for name in ["root", "cwd"] {
        let place = format!("/proc/{pid}/{name}");
        // With a dot: where it is, and not the link.
        if let (Ok(link), Ok(file)) = (fs::read_link(&place), fs::metadata(format!("{place}/."))) {
            let (path, device, inode) = (link.display(), file.dev(), file.ino());
            note(name, &format!("{path}, number {inode} on device {device}"));
        }
    }
    add_descriptors(pid, |_| true, &mut lines);
    lines
}

/// Looks at what a process has been handed down that has executed another program: execve(2). What a learner's function has
/// before, such a child has as well. None where it has executed none.
pub(crate) fn handed_down(child: Pid, function: Pid) -> Option<Lines> {
    let program = |pid| fs::read_link(format!("/proc/{pid}/exe")).ok();
    if program(child)? == program(function)? {
        return None;
    }
    let mut lines = set_by_others(child);
    add_status(child, &["SigBlk", "Umask"], &mut lines);
    // Files the program can have opened itself.
    let is_left = |target: &str| ["pipe:", "socket:"].iter().any(|kind| target.starts_with(kind));
    add_descriptors(child, is_left, &mut lines);
    Some(lines)
}

/// Looks at what somebody else can have set of a process: prlimit(2), setpriority(2), sched_setaffinity(2).
pub(crate) fn set_by_others(pid: Pid) -> Lines {
    let mut lines = Lines::new();
    add_status(pid, &["Cpus_allowed"], &mut lines);
    add_stat(pid, &[("nice", 16), ("policy", 38)], &mut lines);
    let limits = probe::read(pid, "limits");
    lines.extend(limits.lines().skip(1).map(|limit| line("limit", &in_one_line(limit))));
    // SAFETY: the call takes numbers alone. IOPRIO_WHO_PROCESS is 1: ioprio_get(2).
    let priority = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, pid.as_raw()) };
    lines.insert(line("scheduling of input and output", &priority.to_string()));
    lines.insert(line("oom_score_adj", probe::read(pid, "oom_score_adj").trim()));
    lines
}

/// Adds lines of /proc/PID/status: proc_pid_status(5).
fn add_status(pid: Pid, names: &[&str], lines: &mut Lines) {
    let status = probe::read(pid, "status");
    let fields: BTreeMap<_, _> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let value = |name: &str| in_one_line(fields.get(name).copied().unwrap_or_default());
    lines.extend(names.iter().map(|name| line(name, &value(name))));
}

/// Adds columns of /proc/PID/stat, counted from the one after the name: proc_pid_stat(5).
fn add_stat(pid: Pid, named: &[(&str, usize)], lines: &mut Lines) {
    let columns = probe::stat(pid);
    let value = |column: usize| columns.get(column).map_or("", String::as_str);
    lines.extend(named.iter().map(|(name, column)| line(name, value(*column))));
}

/// Adds descriptors for what is wanted, with O_NONBLOCK and O_CLOEXEC among their flags: proc_pid_fdinfo(5).
fn add_descriptors(pid: Pid, is_wanted: impl Fn(&str) -> bool, lines: &mut Lines) {
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default().display().to_string();
        let descriptor = entry.file_name().to_string_lossy().into_owned();
        let info = probe::read(pid, &format!("fdinfo/{descriptor}"));
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
        if is_wanted(&target) {
            let value = format!("{descriptor}, of {target}, flags {}", flags.trim());
            lines.insert(line("descriptor", &value));
        }
    }
}

fn line(name: &str, value: &str) -> String {
    format!("own {name}: {value}")
}

fn in_one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_named(line: &str, names: &[&str]) -> bool {
    let name = line.strip_prefix("own ").and_then(|line| line.split(':').next());
    name.is_some_and(|name| names.contains(&name))
}

/// What only the process itself can tell: prctl(2), getitimer(2), environ(7).
pub(crate) fn told() -> Lines {
    let mut lines = Lines::new();
    let mut note = |name: &str, value: String| lines.insert(line(name, &value));
    // SAFETY: these operations take nothing.
    let get = |operation| unsafe { libc::prctl(operation, 0, 0, 0, 0) };
    note("dumpable", get(libc::PR_GET_DUMPABLE).to_string());
    note("NoNewPrivs", get(libc::PR_GET_NO_NEW_PRIVS).to_string());
    note("keep_caps", get(libc::PR_GET_KEEPCAPS).to_string());
    note("securebits", get(libc::PR_GET_SECUREBITS).to_string());
    note("timer slack", get(libc::PR_GET_TIMERSLACK).to_string());
    for (name, operation) in
        [("pdeathsig", libc::PR_GET_PDEATHSIG), ("subreaper", libc::PR_GET_CHILD_SUBREAPER)]
    {
        let mut value: c_int = 0;
        // SAFETY: these operations write a number to where there is one.
        unsafe { libc::prctl(operation, &raw mut value, 0, 0, 0) };
        note(name, value.to_string());
    }
    for (name, kind) in [
        ("alarm", libc::ITIMER_REAL),
        ("alarm of its own time", libc::ITIMER_VIRTUAL),
        ("alarm of its own time and the kernel's", libc::ITIMER_PROF),
    ] {
        // SAFETY: zero is a value that all of its fields can have, and the kernel writes to where it is.
        let timer = unsafe {
            let mut timer: libc::itimerval = mem::zeroed();
            libc::syscall(libc::SYS_getitimer, kind, &raw mut timer);
            timer.it_value
        };
        note(name, (timer.tv_sec != 0 || timer.tv_usec != 0).to_string());
    }
    // A line for each: timer_create(2).
    let timers = fs::read_to_string("/proc/self/timers").unwrap_or_default();
    note("timers", timers.lines().filter(|line| line.starts_with("ID:")).count().to_string());
    for (name, value) in env::vars_os() {
        note("variable", format!("{name:?} = {value:?}"));
    }
    lines
}

/// Returns what is otherwise, a line each, as in `- own umask: 0022` and `+ own umask: 0077`.
///
/// - `user`: whether the process may have entered another user namespace.
/// - `watched`: whether it has a filter that is not its own doing.
pub(crate) fn changes(before: &Lines, now: &Lines, user: bool, watched: bool) -> Vec<String> {
    let counts = |line: &&String| {
        let of_users = user && is_named(line, &OF_A_USER_NAMESPACE);
        let of_the_watch = watched && is_named(line, &["Seccomp", "Seccomp_filters"]);
        !of_users && !of_the_watch
    };
    // Descriptors that are closed are the grader's as well. The standard streams are not.
    let is_kept = |line: &&String| match line.strip_prefix("own descriptor: ") {
        Some(descriptor) => ["0,", "1,", "2,"].iter().any(|stream| descriptor.starts_with(stream)),
        None => true,
    };
    let gone = before.difference(now).filter(counts).filter(is_kept);
    let new = now.difference(before).filter(counts);
    gone.map(|line| format!("- {line}")).chain(new.map(|line| format!("+ {line}"))).collect()
}
