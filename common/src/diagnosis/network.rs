//! Devices of the network.

use nix::errno::Errno;

use super::remedies::{NOTHING, known, remedy, unconfined, with_root};
use super::{Cause, Remedy, Row};
use crate::host_facts::{Engine, HostFacts};

/// A start with the bridge in a network namespace more, as an ordinary user has it.
fn own_network(facts: &HostFacts) -> Option<Remedy> {
    let package = &facts.package;
    let gives_up =
        "the bridge on the host: the containers of two such starts do not reach each other";
    if facts.caller.by_sudo {
        return Some(remedy(format!("cargo run -p {package}"), gives_up));
    }
    let command = format!("unshare --user --map-root-user --mount --net cargo run -p {package}");
    facts.unshare.then(|| remedy(command, gives_up))
}

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::NoSuchDevice,
        id: "no-such-device",
        title: "The modules bridge and veth are missing",
        is: |failure, _| failure.is_link(Errno::EOPNOTSUPP),
        explanation: |_, facts| {
            let by_host = ", and the host of this container has to load them";
            let end = if facts.caller.engine.is_some() { by_host } else { "" };
            format!("The kernel has no such devices: their modules are missing{end}")
        },
        remedies: |_, facts| {
            if facts.caller.engine.is_some() {
                return Vec::new();
            }
            let mut remedies = vec![remedy(with_root(facts, "modprobe -a bridge veth"), NOTHING)];
            if facts.installer == Some("apt-get install") {
                let package = "linux-modules-extra-$(uname -r)";
                let install = with_root(facts, &format!("apt-get install {package}"));
                remedies.push(remedy(install, NOTHING));
            }
            remedies
        },
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::NoCapNetAdmin,
        id: "no-cap-net-admin",
        title: "Root without CAP_NET_ADMIN",
        is: |failure, _| failure.is_link(Errno::EPERM),
        explanation: |_, _| {
            "This root has no CAP_NET_ADMIN for this network namespace; an ordinary user gets one of their \
             own, and so can you"
                .into()
        },
        remedies: |_, facts| {
            // The stage has made its user namespace by now, so there is one to be had.
            let own = own_network(facts);
            let engine = match facts.caller.engine {
                // With it comes the capability: systemd-nspawn(1), --capability=.
                Some(Engine::Nspawn) => {
                    vec![remedy("systemd-nspawn --private-network", "the network of its host")]
                }
                // The network may be that of the engine's host, where no option gives a capability.
                _ if facts.caller.user_namespace && facts.unshare => Vec::new(),
                _ => unconfined(facts, " --cap-add NET_ADMIN"),
            };
            own.into_iter().chain(engine).collect()
        },
        root_helps: |_, _| true,
    },
    Row {
        cause: Cause::NetworkInUse,
        id: "network-in-use",
        title: "Another network has the bridge's name, or its addresses",
        is: |_, _| false,
        explanation: |_, _| "In a network of your own the bridge is in nobody's way".into(),
        remedies: |failure, facts| {
            let remove = known(failure, facts, "the device, and what needs it");
            own_network(facts).into_iter().chain(remove).collect()
        },
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::BrNetfilter,
        id: "br-netfilter",
        title: "Packets between containers are dropped",
        is: |_, _| false,
        explanation: |_, _| {
            "A rule of the host's firewall drops what crosses the bridge, as Docker's do where \
             br_netfilter is loaded"
                .into()
        },
        remedies: |failure, facts| {
            known(failure, facts, "nothing: it is for packets between containers")
        },
        root_helps: |_, _| false,
    },
];
