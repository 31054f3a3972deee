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
    let rules = Command::new("iptables").arg("-S").output();
    let rules = rules.map(|output| output.stdout).unwrap_or_default();
    if is_dropped(&String::from_utf8_lossy(&rules), bridge) {
        let dropped = Known::new(Cause::BrNetfilter, "containers cannot reach each other");
        let command = format!("sudo iptables -I FORWARD -i {bridge} -o {bridge} -j ACCEPT");
        bail!(dropped.remedy(command));
    }
    Ok(())
}

/// Whether a packet from one port of a bridge to another is dropped, by these rules as `iptables -S` shows them.
fn is_dropped(rules: &str, bridge: &str) -> bool {
    let rules: Vec<Vec<&str>> =
        rules.lines().map(|line| line.split_whitespace().collect()).collect();
    match verdict(&rules, "FORWARD", bridge, 0) {
        Some(accepted) => !accepted,
        None => rules.contains(&vec!["-P", "FORWARD", "DROP"]),
    }
}

/// The most chains that lead from one to the next, for rules that lead in a circle, which iptables does not make.
const DEPTH: usize = 32;

/// Returns whether a chain accepts the packet. None where it leaves that to the chain that has called it.
fn verdict(rules: &[Vec<&str>], chain: &str, bridge: &str, depth: usize) -> Option<bool> {
    if depth == DEPTH {
        return None;
    }
    for rule in rules.iter().filter(|rule| rule.starts_with(&["-A", chain])) {
        let (target, options) = target(&rule[2..]);
        if !applies(options, bridge) {
            continue;
        }
        match target {
            "ACCEPT" => return Some(true),
            "DROP" | "REJECT" => return Some(false),
            "RETURN" => return None,
            chain => {
                let verdict = verdict(rules, chain, bridge, depth + 1);
                if verdict.is_some() {
                    return verdict;
                }
            }
        }
    }
    None
}

/// Returns the target of a rule, and the options before it.
fn target<'a, 'b>(rule: &'b [&'a str]) -> (&'a str, &'b [&'a str]) {
    match rule.iter().position(|word| ["-j", "-g"].contains(word)) {
        Some(at) => (rule.get(at + 1).copied().unwrap_or_default(), &rule[..at]),
        None => ("", rule),
    }
}

/// Whether a rule is for each packet that crosses the bridge. One for some of them, such as those of one protocol, says
/// nothing about the others.
fn applies(options: &[&str], bridge: &str) -> bool {
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let negated = *option == "!";
        let option = if negated { options.next() } else { Some(option) };
        let value = match option {
            Some(&"-i" | &"-o") => options.next(),
            _ => return false,
        };
        let is_it = value.is_some_and(|name| match name.strip_suffix('+') {
            Some(prefix) => bridge.starts_with(prefix),
            None => *name == bridge,
        });
        if is_it == negated {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_dropped;

    fn dropped(rules: &[&str]) -> bool {
        is_dropped(&rules.join("\n"), "brg0")
    }

    #[test]
    fn without_rules_the_policy_counts() {
        assert!(dropped(&["-P FORWARD DROP"]));
        assert!(!dropped(&["-P FORWARD ACCEPT"]));
        assert!(!dropped(&[]));
    }

    #[test]
    fn any_rule_that_accepts_what_comes_from_the_bridge_helps() {
        for rule in ["-i brg0 -o brg0", "-i brg0", "-o brg0", "-i brg+", "! -i eth0", ""] {
            let rule = format!("-A FORWARD {rule} -j ACCEPT");
            assert!(!dropped(&["-P FORWARD DROP", &rule]), "{rule}");
        }
    }

    #[test]
    fn a_rule_for_other_packets_does_not() {
        for rule in ["-i docker0", "! -i brg0", "-p tcp", "-s 10.0.0.0/8", "-m conntrack"] {
            let rule = format!("-A FORWARD {rule} -j ACCEPT");
            assert!(dropped(&["-P FORWARD DROP", &rule]), "{rule}");
        }
    }

    #[test]
    fn a_last_rule_that_rejects_is_as_good_as_a_policy() {
        let reject = "-A FORWARD -j REJECT --reject-with icmp-port-unreachable";
        assert!(dropped(&["-P FORWARD ACCEPT", reject]));
        assert!(!dropped(&["-P FORWARD ACCEPT", "-A FORWARD -i brg0 -j ACCEPT", reject]));
    }

    #[test]
    fn chains_are_followed_and_returned_from() {
        let docker = ["-P FORWARD DROP", "-N USER", "-A FORWARD -j USER", "-A USER -j RETURN"];
        assert!(dropped(&docker));
        assert!(!dropped(&[&docker[..], &["-A FORWARD -i brg0 -j ACCEPT"]].concat()));
        assert!(!dropped(&["-P FORWARD DROP", "-A FORWARD -j USER", "-A USER -j ACCEPT"]));
    }

    #[test]
    fn rules_in_a_circle_come_to_an_end() {
        assert!(dropped(&["-P FORWARD DROP", "-A FORWARD -j A", "-A A -j FORWARD"]));
    }
}
