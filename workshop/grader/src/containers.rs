//! What is in the containers of a throw-away host: in those that are played, and in the one that a learner's function makes.

use std::collections::BTreeMap;

use common::quote::escaped;
use nix::unistd::Pid;
use testbed::probe;
use testbed::snapshot::Mount;

use crate::host::{Host, namespaces};
use crate::state;

/// The kinds of namespaces that are looked into from inside. (Mounts are shown outside as well.)
const ENTERED: [&str; 3] = ["uts", "ipc", "net"];

/// All containers at one moment, by the names of their namespaces.
pub(crate) struct Containers {
    /// Those of the host's own mount namespace.
    hosts: Vec<String>,
    mounts: BTreeMap<String, Vec<String>>,
    /// Names, devices, queues and settings, a line each.
    lines: BTreeMap<String, Vec<String>>,
}

impl Containers {
    /// Looks into the containers of a host: what its processes have beside its own namespaces.
    #[track_caller]
    pub(crate) fn take(host: &Host) -> Containers {
        let own = host.namespaces();
        let (mut mounts, mut lines) = (BTreeMap::new(), BTreeMap::new());
        for pid in probe::processes() {
            let there = namespaces(pid);
            // One that has ended is in none.
            let Some(name) = there.get("mnt") else { continue };
            if Some(name) != own.get("mnt") {
                mounts.entry(name.clone()).or_insert_with(|| mounts_of(pid));
            }
            let entered = ENTERED.map(|kind| there.get(kind).cloned().unwrap_or_default());
            if ENTERED.iter().any(|kind| there.get(*kind) != own.get(*kind)) {
                let look = || host.inside_if_allowed(pid, &ENTERED, state::of_namespaces);
                lines.entry(entered.join(" ")).or_insert_with(|| look().unwrap_or_default());
            }
        }
        Containers { hosts: mounts_of(Pid::this()), mounts, lines }
    }

    /// Returns what is otherwise in those that are still there, a line each, as in `+ container's hostname: kitchen`.
    pub(crate) fn changes_to(&self, now: &Containers) -> Vec<String> {
        let mut changes = Vec::new();
        for (kind, before, now) in
            [("mount: ", &self.mounts, &now.mounts), ("", &self.lines, &now.lines)]
        {
            let what = format!("container's {kind}");
            for (name, before) in before {
                let Some(now) = now.get(name) else { continue };
                changes.extend(told(&what, missing(before, now), missing(now, before)));
            }
        }
        changes
    }

    /// Returns what those that have come since have mounted otherwise than the host had, of which theirs are copies: a line each,
    /// as in `+ mounted inside: /tmp, rw, tmpfs`. That a mount shares nothing with others is no difference.
    ///
    /// - `wanted`: the beginnings of those lines that one mount each is wanted for, such as `/tmp, rw`, or
    ///   `/tmp, rw,` where nothing may be said of it but that.
    pub(crate) fn mounted_since(&self, now: &Containers, wanted: &[String]) -> Vec<String> {
        let mut changes = Vec::new();
        for (_, mounts) in now.mounts.iter().filter(|(name, _)| !self.mounts.contains_key(*name)) {
            let mut new = missing(mounts, &self.hosts);
            for wanted in wanted {
                let is_it = |mount: &String| {
                    let rest = mount.strip_prefix(wanted.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([',', ' ']))
                };
                if let Some(at) = new.iter().position(is_it) {
                    new.remove(at);
                }
            }
            changes.extend(told("mounted inside: ", missing(&self.hosts, mounts), new));
        }
        changes
    }
}

fn told(what: &str, gone: Vec<String>, new: Vec<String>) -> Vec<String> {
    let gone = gone.iter().map(|line| format!("- {what}{line}"));
    gone.chain(new.iter().map(|line| format!("+ {what}{line}"))).collect()
}

/// Returns what is mounted where a process is, a line each: the place, what may be done there, and the file system.
fn mounts_of(pid: Pid) -> Vec<String> {
    let mountinfo = probe::read(pid, "mountinfo");
    mountinfo.lines().filter_map(Mount::parse).map(|mount| shown(&mount)).collect()
}

fn shown(mount: &Mount) -> String {
    let has = |wanted: &str| mount.options.split(',').any(|option| option == wanted);
    let mut options = vec![if has("ro") { "ro" } else { "rw" }];
    // There is nothing in those to be executed.
    if has("noexec") && !["mqueue", "proc"].contains(&mount.kind) {
        options.push("noexec");
    }
    if mount.propagation.contains("unbindable") {
        options.push("unbindable");
    }
    // Whether it is written to is the mount's own affair.
    let of_the_system: Vec<_> =
        mount.of_the_system.split(',').filter(|option| *option != "rw").collect();
    let of_the_system = match of_the_system[..] {
        [] => String::new(),
        _ => format!("({})", of_the_system.join(",")),
    };
    // A comma ends a name.
    let place = escaped(&mount.point).replace(',', "\\,");
    format!("{place}, {}, {}{of_the_system}", options.join(" "), mount.kind)
}

/// Returns what is in one list and not in another one, where the same line can be more than once.
fn missing(of: &[String], from: &[String]) -> Vec<String> {
    let mut left = from.to_vec();
    let mut missing = of.to_vec();
    missing.retain(|line| match left.iter().position(|other| other == line) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    });
    missing
}
