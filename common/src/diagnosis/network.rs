//! Devices of the network.

use nix::errno::Errno;

use super::remedies::{NOTHING, known, remedy, unconfined};
use super::{Cause, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::NoSuchDevice,
        id: "no-such-device",
        title: "The modules bridge and veth are missing",
        is: |failure, _| failure.is_link(Errno::EOPNOTSUPP),
        explanation: |_, _| "The kernel has no such devices: their modules are missing".into(),
        remedies: |_, facts| {
            let mut remedies = vec![remedy("sudo modprobe -a bridge veth", NOTHING)];
            if facts.installer == Some("apt-get install") {
                let package = "linux-modules-extra-$(uname -r)";
                remedies.push(remedy(format!("sudo apt-get install {package}"), NOTHING));
            }
            remedies
        },
        root_helps: false,
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
            let package = &facts.package;
            if facts.seccomp {
                return vec![unconfined(facts, " --cap-add NET_ADMIN")];
            }
            vec![remedy(
                format!("unshare --user --map-root-user --mount --net cargo run -p {package}"),
                "the bridge on the host: the containers of two such starts do not reach each other",
            )]
        },
        root_helps: true,
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
        root_helps: false,
    },
];
