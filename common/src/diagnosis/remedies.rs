//! Commands that help, and what they give up.

use super::Remedy;
use super::failure::{Failed, Failure};
use crate::host_facts::{Engine, HostFacts};

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
    let command = known.command.as_ref();
    let command = command
        .map(|command| command.replace("{run}", run(facts)).replace("{package}", &facts.package));
    command.map(|command| remedy(command, gives_up)).into_iter().collect()
}

/// The alias of Cargo's that starts the stage as this process was started, or as it has to be.
fn run(facts: &HostFacts) -> &'static str {
    let takes_root = ["uts", "uts-hostname", "pid", "mount"].contains(&facts.package.as_str());
    match (facts.root, facts.user_namespace) {
        (true, true) if facts.engine.is_none() => "rootless",
        (true, false) if std::env::var_os("SUDO_UID").is_some() => "as-root",
        (false, _) if takes_root && facts.unshare => "rootless",
        _ => "run",
    }
}

/// Another place for a root directory; in an engine's container, which may have none, a /tmp to execute from.
pub(super) fn another_place(failure: &Failure, facts: &HostFacts) -> Vec<Remedy> {
    let place = known(failure, facts, NOTHING);
    let engine = match facts.engine {
        Some(Engine::Docker) => "docker",
        Some(Engine::Podman) => "podman",
        _ => return place,
    };
    if place.is_empty() {
        return vec![remedy(format!("{engine} run --tmpfs /tmp:exec"), NOTHING)];
    }
    place
}

/// A start as root, where that can be had.
pub(super) fn as_root(facts: &HostFacts) -> Vec<Remedy> {
    let command = format!("cargo as-root -p {}", facts.package);
    facts.sudo.then(|| remedy(command, HOST_ROOT)).into_iter().collect()
}

/// A start as root of a user namespace, where that can be had.
pub(super) fn rootless(facts: &HostFacts) -> Vec<Remedy> {
    let switched_off = facts.max_user_namespaces == Some(0)
        || facts.unprivileged_userns_clone == Some(0) && !facts.root;
    let can = facts.unshare && !switched_off && (!facts.root || facts.cap_setfcap);
    let command = format!("cargo rootless -p {}", facts.package);
    can.then(|| remedy(command, NOTHING)).into_iter().collect()
}

/// How to start the container that this process is in, for containers inside of it.
pub(super) fn unconfined(facts: &HostFacts, more: &str) -> Remedy {
    let command = match facts.engine {
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
pub(super) fn scope(facts: &HostFacts) -> Vec<Remedy> {
    let user = if facts.root { "" } else { " --user" };
    let package = &facts.package;
    vec![remedy(
        format!("systemd-run{user} --scope -p Delegate=yes cargo run -p {package}"),
        "nothing: the cgroup ends with the command",
    )]
}

pub(super) fn install(facts: &HostFacts, package: &str) -> Vec<Remedy> {
    let installer = facts.installer.iter();
    installer.map(|command| remedy(format!("sudo {command} {package}"), NOTHING)).collect()
}
