//! Commands that help, and what they give up.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

use super::Remedy;
use super::failure::{Failed, Failure};
use crate::host_facts::{Engine, HostFacts};
use crate::quote::quoted;

pub(super) const NOTHING: &str = "nothing";
pub(super) const HOST_ROOT: &str = "root in the container is root on your machine";
pub(super) const LAYER: &str = "a layer of protection: a user namespace lets ordinary users, and any program they run, \
                     reach parts of the kernel that only root reached before";
pub(super) const CONTAINER_WALL: &str = "what keeps root in that container from its host";

pub(super) fn remedy(command: impl Into<String>, gives_up: &str) -> Remedy {
    Remedy { command: command.into(), gives_up: gives_up.into() }
}

/// The command that the maker of a [`Known`] error has given.
pub(super) fn known(failure: &Failure, facts: &HostFacts, gives_up: &str) -> Vec<Remedy> {
    let Failed::Known(known) = failure.failed else { return Vec::new() };
    let Some(command) = &known.command else { return Vec::new() };
    // Who makes such an error does not know what there is to become root.
    let as_typed = |part: String| match part.strip_prefix("sudo ") {
        Some(command) => with_root(facts, command),
        None => part,
    };
    let fill_in =
        |words: &str| words.replace("{run}", run(facts)).replace("{package}", &facts.package);
    let parts = split_unquoted(command, " && ").into_iter();
    let parts: Vec<_> = parts.map(|part| as_typed(map_unquoted(part, fill_in))).collect();
    vec![remedy(parts.join(" && "), gives_up)]
}

/// Splits a command where `separator` is, and not within quotes: there it is a part of a path.
fn split_unquoted<'a>(command: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (begin, words) in unquoted(command) {
        for (index, _) in words.match_indices(separator) {
            parts.push(&command[start..begin + index]);
            start = begin + index + separator.len();
        }
    }
    parts.push(&command[start..]);
    parts
}

/// Returns a command with what is not within quotes changed by `change`.
fn map_unquoted(command: &str, change: impl Fn(&str) -> String) -> String {
    let (mut changed, mut end) = (String::new(), 0);
    for (begin, words) in unquoted(command) {
        changed += &command[end..begin];
        changed += &change(words);
        end = begin + words.len();
    }
    changed + &command[end..]
}

/// The parts of a command that are not within quotes of [`quoted`], each with the place that it begins at.
fn unquoted(command: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut start = Some(0);
    let mut characters = command.char_indices();
    while let Some((index, character)) = characters.next() {
        match (character, start) {
            // Within them a backslash is one, or, in `$'...'`, comes before no quotation mark.
            ('\\', Some(_)) => _ = characters.next(),
            ('\'', Some(begin)) => {
                parts.push((begin, &command[begin..index]));
                start = None;
            }
            ('\'', None) => start = Some(index + 1),
            _ => {}
        }
    }
    parts.extend(start.map(|begin| (begin, &command[begin..])));
    parts
}

/// The alias of Cargo's that starts the stage as this process was started, or as it has to be.
fn run(facts: &HostFacts) -> &'static str {
    let takes_root = ["uts", "uts-hostname", "pid", "mount"].contains(&facts.package.as_str());
    match (facts.root, facts.user_namespace) {
        (true, true) if !facts.caller.root => "rootless",
        (true, false) if facts.caller.by_sudo => "as-root",
        (false, _) if takes_root && facts.unshare => "rootless",
        _ => "run",
    }
}

/// Another place for a root directory. Where there is none: in an engine's container, a /tmp to execute from; for who may
/// mount, one in memory.
pub(super) fn another_place(failure: &Failure, facts: &HostFacts) -> Vec<Remedy> {
    let place = known(failure, facts, NOTHING);
    if !place.is_empty() {
        place
    } else if let Some(run) = run_of_engine(facts) {
        vec![remedy(format!("{run} --tmpfs /tmp:exec"), NOTHING)]
    } else if facts.cap_sys_admin || facts.sudo {
        let mount = with_root(facts, "mount -t tmpfs tmpfs /tmp");
        vec![remedy(mount, "sight of what is in /tmp, until `umount /tmp`")]
    } else {
        Vec::new()
    }
}

/// A start as root, where the caller can become root.
pub(super) fn as_root(facts: &HostFacts) -> Vec<Remedy> {
    let command = format!("cargo as-root -p {}", facts.package);
    (facts.sudo && !facts.caller.root).then(|| remedy(command, HOST_ROOT)).into_iter().collect()
}

/// A start as root of a user namespace, where the caller can make one.
pub(super) fn rootless(facts: &HostFacts) -> Vec<Remedy> {
    let switched_off = facts.max_user_namespaces == Some(0)
        || facts.unprivileged_userns_clone == Some(0) && !facts.root;
    let can = facts.unshare && !switched_off && (!facts.root || facts.cap_setfcap);
    let command = format!("cargo rootless -p {}", facts.package);
    can.then(|| remedy(command, NOTHING)).into_iter().collect()
}

/// A command that needs root, as this caller has to type it.
pub(super) fn with_root(facts: &HostFacts, command: &str) -> String {
    with_root_as(facts, command, &quoted(command))
}

/// - `word`: the command as one word, for the shell that is root's: su(1).
fn with_root_as(facts: &HostFacts, command: &str, word: &str) -> String {
    if is_root(facts) {
        return command.into();
    }
    if facts.without_sudo { format!("su -c {word}") } else { format!("sudo {command}") }
}

/// Whether a command is typed by root.
fn is_root(facts: &HostFacts) -> bool {
    facts.caller.root && !facts.caller.by_sudo
}

/// A sysctl to set. The file is everywhere, and the program that writes it is not.
pub(super) fn sysctl(facts: &HostFacts, name: &str, value: u64) -> String {
    if facts.sysctl {
        return with_root(facts, &format!("sysctl {name}={value}"));
    }
    let file = format!("/proc/sys/{}", name.replace('.', "/"));
    format!("echo {value} | {}", with_root(facts, &format!("tee {file}")))
}

/// How to start the container that this process is in, for containers inside of it. Where nothing tells what has started
/// it, no command is known.
pub(super) fn unconfined(facts: &HostFacts, more: &str) -> Vec<Remedy> {
    let Some(engine) = facts.caller.engine else { return Vec::new() };
    let command = match engine {
        Engine::Kubernetes => KUBERNETES.to_owned(),
        // Its root has these capabilities.
        Engine::Nspawn => "systemd-nspawn --system-call-filter=@known".to_owned(),
        Engine::Podman => format!(
            "podman run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt unmask=ALL{more}"
        ),
        Engine::Docker => format!(
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt systempaths=unconfined{more}"
        ),
    };
    vec![remedy(command, CONTAINER_WALL)]
}

/// What ends the explanation of a cause: what these remedies do; or, where there are none, that it is not so elsewhere.
pub(super) fn or_outside(remedies: &[Remedy], do_this: &'static str) -> &'static str {
    if remedies.is_empty() { ": start it outside of that" } else { do_this }
}

/// The same, for a cause that [`unconfined`] helps against.
pub(super) fn start_anew(facts: &HostFacts) -> &'static str {
    or_outside(&unconfined(facts, ""), "; start it with")
}

/// Uncovers what is covered of /proc. Whoever is in a mount namespace of the first user namespace may do so.
pub(super) fn uncovered(facts: &HostFacts) -> Vec<Remedy> {
    let places: Vec<_> = facts.proc_covered.iter().map(quoted).collect();
    let command = with_root(facts, &format!("umount {}", places.join(" ")));
    let may = facts.caller.administers && !facts.caller.user_namespace;
    let gives_up = "what they cover: somebody has had a reason";
    may.then(|| remedy(command, gives_up)).into_iter().collect()
}

/// A pod that may do all that its node may.
pub(super) const KUBERNETES: &str = "kubectl run containers -it --image=IMAGE --privileged";

/// A scope of systemd's with a cgroup of its own: systemd.resource-control(5), Delegate=.
pub(super) fn scope(facts: &HostFacts) -> Vec<Remedy> {
    let user = if facts.caller.root { "" } else { " --user" };
    let package = &facts.package;
    let command = format!("systemd-run{user} --scope -p Delegate=yes cargo run -p {package}");
    let gives_up = "nothing: the cgroup ends with the command";
    facts.systemd.then(|| remedy(command, gives_up)).into_iter().collect()
}

/// A limit of this shell's, raised: as far as anybody may, or by root, or by the engine that has set it.
pub(super) fn raised(facts: &HostFacts, resource: Resource) -> Vec<Remedy> {
    let Ok((now, most)) = getrlimit(resource) else { return Vec::new() };
    let (letter, name, enough) = match resource {
        Resource::RLIMIT_FSIZE => ("f", "fsize", "unlimited"),
        Resource::RLIMIT_NOFILE => ("n", "nofile", "1024"),
        _ => ("u", "nproc", "1024"),
    };
    let command = if now < most {
        Some(format!("ulimit -S -{letter} $(ulimit -H -{letter})"))
    } else if facts.limits_can_be_raised && is_root(facts) {
        Some(format!("ulimit -{letter} {enough}"))
    } else if facts.limits_can_be_raised && facts.prlimit {
        let command = format!("prlimit --pid $$ --{name}={enough}:{enough}");
        // The number is the caller's shell's, and so it is this shell that has to put it there.
        Some(with_root_as(facts, &command, &format!("\"{command}\"")))
    } else {
        let enough = enough.replace("unlimited", "-1");
        run_of_engine(facts).map(|run| format!("{run} --ulimit {name}={enough}:{enough}"))
    };
    let gives_up = "a limit of what is started from this shell";
    command.map(|command| remedy(command, gives_up)).into_iter().collect()
}

/// The command of an engine that takes Docker's options.
pub(super) fn run_of_engine(facts: &HostFacts) -> Option<&'static str> {
    match facts.caller.engine? {
        Engine::Docker => Some("docker run"),
        Engine::Podman => Some("podman run"),
        Engine::Kubernetes | Engine::Nspawn => None,
    }
}

/// Whether a user's limit of processes is none for this caller, as it is none for the machine's root, in a container of
/// whose root is another one as well: setrlimit(2). Then it is a cgroup's that is reached.
pub(super) fn is_exempt(facts: &HostFacts) -> bool {
    facts.caller.root && !facts.caller.user_namespace
}

/// More processes.
pub(super) fn more_processes(facts: &HostFacts) -> Vec<Remedy> {
    let limit = getrlimit(Resource::RLIMIT_NPROC).map_or(RLIM_INFINITY, |(now, _)| now);
    if !is_exempt(facts) && limit != RLIM_INFINITY {
        return raised(facts, Resource::RLIMIT_NPROC);
    }
    let command = run_of_engine(facts).map(|run| format!("{run} --pids-limit 100"));
    command.map(|command| remedy(command, "a limit of that container")).into_iter().collect()
}

pub(super) fn install(facts: &HostFacts, package: &str) -> Vec<Remedy> {
    let installer = facts.installer.iter();
    let command = |installer: &&str| with_root(facts, &format!("{installer} {package}"));
    installer.map(|installer| remedy(command(installer), NOTHING)).collect()
}
