//! The rules of iptables(8).

use super::chains::{Hook, Ruleset, Verdict, names, words};

/// Reads the rules that `iptables -S` shows. None where there are none: it is missing, or may not look.
pub(super) fn read(rules: &str, bridge: &str) -> Option<Ruleset> {
    let mut ruleset = Ruleset::default();
    for line in rules.lines() {
        let line = words(line);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        match line[..] {
            ["-P", "FORWARD", policy] => {
                let accepting = format!("iptables -I FORWARD -i {bridge} -o {bridge} -j ACCEPT");
                let hook = Hook { chain: "FORWARD".into(), drops: policy == "DROP", accepting };
                ruleset.hooks.push(hook);
            }
            ["-A", chain, ref rule @ ..] => {
                let verdict = verdict(rule, bridge);
                ruleset.chains.entry(chain.into()).or_default().extend(verdict);
            }
            _ => {}
        }
    }
    if ruleset.hooks.is_empty() { None } else { Some(ruleset) }
}

/// Returns the verdict of a rule on each packet that crosses the bridge. None where it has none on all of them.
fn verdict(rule: &[&str], bridge: &str) -> Option<Verdict> {
    let at = rule.iter().position(|word| ["-j", "-g"].contains(word))?;
    let (options, target) = (&rule[..at], *rule.get(at + 1)?);
    if !applies(options, bridge) {
        return None;
    }
    match target {
        "ACCEPT" => Some(Verdict::Accept),
        "DROP" | "REJECT" => Some(Verdict::Drop),
        "RETURN" => Some(Verdict::Return),
        "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TRACE" => None,
        chain if rule[at] == "-g" => Some(Verdict::Goto(chain.into())),
        chain => Some(Verdict::Jump(chain.into())),
    }
}

/// Whether a rule is for each packet that crosses the bridge.
fn applies(mut options: &[&str], bridge: &str) -> bool {
    loop {
        options = match options {
            [] => return true,
            ["-i" | "-o", name, rest @ ..] if names(name, '+', bridge) => rest,
            ["!", "-i" | "-o", name, rest @ ..] if !names(name, '+', bridge) => rest,
            ["-m", "comment", "--comment", _, rest @ ..] => rest,
            ["-m", "physdev", "--physdev-is-bridged", rest @ ..] => rest,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    fn dropped(rules: &[&str]) -> bool {
        read(&rules.join("\n"), "brg0")
            .is_some_and(|ruleset| ruleset.missing_rules().next().is_some())
    }

    #[test]
    fn without_rules_the_policy_counts() {
        assert!(dropped(&["-P FORWARD DROP"]));
        assert!(!dropped(&["-P FORWARD ACCEPT"]));
        assert!(!dropped(&[]));
    }

    #[test]
    fn any_rule_that_accepts_what_crosses_the_bridge_helps() {
        for rule in [
            "-i brg0 -o brg0",
            "-i brg0",
            "-o brg0",
            "-i brg+",
            "! -i eth0",
            "",
            r#"-i brg0 -m comment --comment "so that \"they\" meet""#,
            "-m physdev --physdev-is-bridged",
        ] {
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
        let goto = ["-P FORWARD DROP", "-A FORWARD -g USER", "-A FORWARD -j ACCEPT"];
        assert!(dropped(&goto));
    }

    #[test]
    fn rules_in_a_circle_come_to_an_end() {
        assert!(dropped(&["-P FORWARD DROP", "-A FORWARD -j A", "-A A -j FORWARD"]));
    }
}
