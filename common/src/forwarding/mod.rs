//! Whether a host lets packets pass between the ports of a bridge.

mod chains;
mod iptables;
mod nft;

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use self::chains::Ruleset;
use crate::diagnosis::{Cause, Known};

/// Fails if packets between the containers on `bridge` would be dropped. With br_netfilter they pass the hook forward
/// of the firewall as if they were routed, and Docker has everything dropped there that no rule accepts. What nftables
/// has in a table of family bridge sees them in any case.
///
/// The rules are read: one for a part of the packets, such as those of one protocol, says nothing about the others.
/// Where neither iptables nor nft is installed, nothing is known, and that is no error.
///
/// # Errors
///
/// [`Cause::BrNetfilter`], with the rules that help.
pub fn ensure_between_ports(bridge: &str) -> Result<()> {
    let as_if_routed = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    let as_if_routed = as_if_routed.is_ok_and(|value| value.trim() == "1");
    let by_iptables =
        if as_if_routed { iptables::read(&output("iptables", &["-S"]), bridge) } else { None };
    let mut by_nft = nft::read(&output("nft", &["list", "ruleset"]), bridge);
    by_nft.retain(|ruleset| match ruleset.family.as_str() {
        "bridge" => true,
        "ip" | "inet" => as_if_routed,
        _ => false,
    });
    // Its rules may be in a table of nftables, which nft shows without what it does not know of them.
    if by_iptables.is_some() {
        by_nft
            .retain(|ruleset| (ruleset.family.as_str(), ruleset.name.as_str()) != ("ip", "filter"));
    }
    let missing: Vec<&str> =
        by_iptables.iter().chain(&by_nft).flat_map(Ruleset::missing_rules).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let dropped = Known::new(Cause::BrNetfilter, "containers cannot reach each other");
    bail!(dropped.remedy(format!("sudo {}", missing.join(" && sudo "))))
}

/// Returns what a program prints, or nothing where it is missing or fails.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into()).unwrap_or_default()
}
