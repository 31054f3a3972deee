//! Packets that the host has to send on: to the Internet, and between containers.

use std::fs;
use std::process::Command;

use conformance::{Container, Output, Stage, need, reach};
use nix::unistd::Pid;

use crate::help::{WAIT, ip, reach};

/// Starts a process in a network namespace of its own, which plays the Internet.
fn internet() -> Container {
    Container::start(Command::new("unshare").args(["--net", "sh", "-c", WAIT]))
}

pub fn masquerading_lets_a_container_reach_the_internet(stage: &Stage) {
    need("nft");
    need("ip");
    reach::install(stage);
    let internet = internet();
    let pid: Pid = internet.launcher();
    // The host has an uplink, 198.51.100.1, and out there is 198.51.100.2, which knows no way back to
    // 10.10.10.0/24.
    ip(&format!("link add uplink type veth peer name outside netns {pid}"));
    ip("addr add 198.51.100.1/24 dev uplink");
    ip("link set uplink up");
    let there = |command: &str| {
        let target = pid.to_string();
        let nsenter = ["--target", target.as_str(), "--net", "sh", "-c", command];
        Output::of(Command::new("nsenter").args(nsenter)).ok()
    };
    there("ip addr add 198.51.100.2/24 dev outside; ip link set outside up");
    let reach_soon = reach::command("198.51.100.2", 1);
    assert_ne!(stage.sh(&reach_soon).code, 0, "nobody forwards its packets");
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    assert_ne!(stage.sh(&reach_soon).code, 0, "no answer finds the way back");
    let rules = "add table ip nat; \
                 add chain ip nat postrouting { type nat hook postrouting priority srcnat; }; \
                 add rule ip nat postrouting ip saddr 10.10.10.0/24 oifname != brg0 masquerade";
    Output::of(Command::new("nft").arg(rules)).ok();
    stage.sh(&reach("198.51.100.2")).ok();
}

pub fn a_host_that_drops_what_it_forwards_is_told_what_lets_containers_reach_each_other(
    stage: &Stage,
) {
    need("iptables");
    need("nft");
    if fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "1").is_err() {
        conformance::skip("needs the kernel module br_netfilter");
    }
    reach::install(stage);
    let first = stage.start(WAIT);
    let reach_first = reach::command("10.10.10.2", 1);
    for drop in [
        // As Docker leaves it.
        "iptables -P FORWARD DROP",
        // As RHEL's service has it.
        "iptables -P FORWARD ACCEPT; iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited",
        // As firewalld does, and as one that knows bridges: without iptables.
        "nft 'add table inet t; add chain inet t c { type filter hook forward priority 0; policy drop; }'",
        "nft 'add table bridge t; add chain bridge t c { type filter hook forward priority 0; policy drop; }'",
    ] {
        Output::of(Command::new("sh").args(["-c", drop])).ok();
        let dropped = stage.sh(&reach_first);
        assert_ne!(dropped.code, 0, "{drop}");
        conformance::follow(&conformance::advised(&dropped.stderr)[0]);
        // Without a warning, either.
        assert_eq!(stage.sh(&reach("10.10.10.2")).ok(), "", "{drop}");
        Output::of(Command::new("nft").args(["flush", "ruleset"])).ok();
    }
    drop(first);
}
