//! Whether a host lets packets pass between the ports of a bridge.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use crate::diagnosis::{Cause, Known};

/// Fails if packets between the containers on `bridge` would be dropped: with br_netfilter they pass the FORWARD chain
/// of iptables, and Docker sets its policy to DROP.
///
/// # Errors
///
/// [`Cause::BrNetfilter`], with the rule that helps.
pub fn ensure_between_ports(bridge: &str) -> Result<()> {
    let passes = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    if !passes.is_ok_and(|value| value.trim() == "1") {
        return Ok(());
    }
    let rules = Command::new("iptables").args(["-S", "FORWARD"]).output();
    let rules = rules.map(|output| output.stdout).unwrap_or_default();
    let rules = String::from_utf8_lossy(&rules);
    let accepted = format!("-i {bridge} -o {bridge} -j ACCEPT");
    if rules.contains("-P FORWARD DROP") && !rules.contains(&accepted) {
        let dropped = Known::new(Cause::BrNetfilter, "containers cannot reach each other");
        bail!(dropped.remedy(format!("sudo iptables -I FORWARD {accepted}")));
    }
    Ok(())
}
