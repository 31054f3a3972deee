//! The rules of nft(8).

use super::chains::{Hook, Ruleset, Verdict, names, words};
use crate::quote::quoted;

/// Reads the tables that `nft list ruleset` shows.
pub(super) fn read(ruleset: &str, bridge: &str) -> Vec<Ruleset> {
    let mut tables: Vec<Ruleset> = Vec::new();
    // The blocks that a line is in, such as a chain's in a table's.
    let mut blocks: Vec<String> = Vec::new();
    for line in ruleset.lines() {
        let line = words(line);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        match (&line[..], tables.last_mut()) {
            (["table", family, name, "{"], _) => {
                let table = Ruleset {
                    family: (*family).into(),
                    name: (*name).into(),
                    ..Ruleset::default()
                };
                tables.push(table);
                blocks = vec![String::new()];
            }
            (["chain", name, "{"], _) => blocks.push((*name).into()),
            ([.., "{"], _) => blocks.push(String::new()),
            (["}"], _) => drop(blocks.pop()),
            (rule, Some(table)) => {
                let chain = blocks.last().map(String::as_str).unwrap_or_default();
                if let ["type", "filter", "hook", "forward", ..] = rule {
                    let drops = rule.ends_with(&["policy", "drop;"]);
                    table.hooks.push(hook(table, chain, drops, bridge));
                } else if !chain.is_empty() {
                    let verdict = verdict(rule, &table.family, bridge);
                    table.chains.entry(chain.into()).or_default().extend(verdict);
                }
            }
            _ => {}
        }
    }
    tables
}

fn hook(table: &Ruleset, chain: &str, drops: bool, bridge: &str) -> Hook {
    let [family, name, shown_chain] = [&table.family, &table.name, chain].map(quoted);
    let interfaces = match table.family.as_str() {
        "bridge" => format!("iifname '{PORTS}*' oifname '{PORTS}*'"),
        _ => format!("iifname {bridge} oifname {bridge}"),
    };
    let accepting = format!("nft insert rule {family} {name} {shown_chain} {interfaces} accept");
    Hook { chain: chain.into(), drops, accepting }
}

/// How the names of the ports begin. Tables of family bridge know packets by them: the bridge's own name,
/// `meta ibrname`, takes a module that not every kernel has.
const PORTS: &str = "veth";

/// Returns the verdict of a rule on each packet that crosses the bridge. None where it has none on all of them.
///
/// - `family`: of the rule's table.
fn verdict(mut rule: &[&str], family: &str, bridge: &str) -> Option<Verdict> {
    let interface = if family == "bridge" { PORTS } else { bridge };
    loop {
        rule = match rule {
            ["meta", rest @ ..] => rest,
            ["iif" | "oif" | "iifname" | "oifname", rest @ ..] => after_match(rest, interface)?,
            ["ibrname" | "obrname", rest @ ..] => after_match(rest, bridge)?,
            ["counter", "packets", _, "bytes", _, rest @ ..] => rest,
            ["log", "prefix" | "level" | "group", _, rest @ ..] => rest,
            ["counter" | "log", rest @ ..] => rest,
            ["accept", ..] => return Some(Verdict::Accept),
            ["drop" | "reject", ..] => return Some(Verdict::Drop),
            ["return", ..] => return Some(Verdict::Return),
            ["jump", chain, ..] => return Some(Verdict::Jump((*chain).into())),
            ["goto", chain, ..] => return Some(Verdict::Goto((*chain).into())),
            _ => return None,
        }
    }
}

/// Returns what comes after a name of an interface, or a set of names. None where `interface` is not what is meant.
fn after_match<'a, 'b>(mut rule: &'a [&'b str], interface: &str) -> Option<&'a [&'b str]> {
    let negated = rule.first() == Some(&"!=");
    if negated {
        rule = &rule[1..];
    }
    let length = match rule {
        ["{", ..] => rule.iter().position(|word| *word == "}")? + 1,
        _ => 1,
    };
    let (set, rest) = rule.split_at_checked(length)?;
    // A set that has a name is not looked up.
    if set.iter().any(|name| name.starts_with('@') || *name == "vmap") {
        return None;
    }
    let has_it = set.iter().any(|name| names(name.trim_end_matches(','), '*', interface));
    if has_it != negated { Some(rest) } else { None }
}

#[cfg(test)]
mod tests {
    use super::read;

    /// Returns the rule that is missing, where this chain has these rules and drops the rest.
    fn missing(rules: &str) -> Option<String> {
        let table = format!(
            "table inet docker {{\n\tset s {{\n\t\ttype ifname\n\t\telements = {{ \"a\",\n\t\t\t     \"b\" }}\n\t}}\n\n\
             \tchain USER {{\n\t\taccept\n\t}}\n\n\
             \tchain fwd {{\n\t\ttype filter hook forward priority filter; policy drop;\n{rules}\n\t}}\n}}\n"
        );
        read(&table, "brg0").iter().flat_map(|table| table.missing_rules()).next().map(String::from)
    }

    #[test]
    fn a_chain_that_drops_by_its_policy_has_a_rule_that_helps() {
        let rule = missing("").unwrap();
        assert_eq!(rule, "nft insert rule inet docker fwd iifname brg0 oifname brg0 accept");
        assert_eq!(missing(&rule["nft insert rule inet docker fwd ".len()..]), None);
    }

    #[test]
    fn rules_that_accept_what_crosses_the_bridge_help() {
        for rule in [
            r#"iifname "brg0" accept"#,
            r#"meta oifname "brg*" counter packets 4 bytes 12 accept comment "as told""#,
            r#"iifname { "docker0", "brg0" } log prefix "so: " accept"#,
            r#"iifname != "eth0" accept"#,
            "jump USER",
            "goto USER",
            "accept",
        ] {
            assert_eq!(missing(rule), None, "{rule}");
        }
    }

    #[test]
    fn rules_for_other_packets_do_not() {
        for rule in [
            r#"iifname "docker0" accept"#,
            r#"iifname != "brg0" accept"#,
            "iifname @s accept",
            r#"iifname vmap { "brg0" : accept }"#,
            "ct state established,related accept",
            "tcp dport 80 accept",
            r#"iifname "brg0" drop"#,
            "return\naccept",
        ] {
            assert!(missing(rule).is_some(), "{rule}");
        }
    }

    #[test]
    fn chains_of_other_hooks_and_an_empty_ruleset_drop_nothing() {
        let input = "table ip t {\n\tchain c {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}";
        assert!(read(input, "brg0")[0].missing_rules().next().is_none());
        assert!(read("", "brg0").is_empty());
    }

    #[test]
    fn in_family_bridge_the_interfaces_are_ports() {
        let chain = |rule| {
            let drop = "type filter hook forward priority filter; policy drop;";
            format!("table bridge t {{\n\tchain c {{\n\t\t{drop}\n\t\t{rule}\n\t}}\n}}")
        };
        let missing = |rule| read(&chain(rule), "brg0")[0].missing_rules().next().map(String::from);
        let helps = missing("iifname \"brg0\" accept").unwrap();
        assert_eq!(helps, "nft insert rule bridge t c iifname 'veth*' oifname 'veth*' accept");
        assert_eq!(missing("iifname \"veth*\" oifname \"veth*\" accept"), None);
        assert_eq!(missing("meta ibrname \"brg0\" accept"), None);
        assert!(missing("iifname \"veth7\" accept").is_some());
    }
}
