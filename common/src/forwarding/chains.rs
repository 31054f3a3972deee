//! Chains of rules, as iptables and nftables have them, and what becomes of a packet in them.

use std::collections::HashMap;

/// What becomes of each packet that crosses the bridge and comes to a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    /// It goes on in the chain that has called this one.
    Return,
    /// It passes another chain, and comes back.
    Jump(String),
    /// It passes another chain instead of the rest of this one.
    Goto(String),
}

/// A chain that packets come to which are forwarded.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) chain: String,
    /// Whether a packet that no rule has decided on is dropped.
    pub(super) drops: bool,
    /// The command that puts a rule first which accepts the packet.
    pub(super) accepting: String,
}

/// The chains that can call each other.
#[derive(Debug, Default)]
pub(super) struct Ruleset {
    /// Of which packets: "ip", "inet", "bridge" and so on.
    pub(super) family: String,
    pub(super) name: String,
    pub(super) chains: HashMap<String, Vec<Verdict>>,
    pub(super) hooks: Vec<Hook>,
}

/// The most chains that lead from one to the next, for rules that lead in a circle, which neither program makes.
const DEPTH: usize = 32;

impl Ruleset {
    /// Returns the commands that add the rules which a packet from port to port wants in order to pass.
    pub(super) fn missing_rules(&self) -> impl Iterator<Item = &str> {
        let drops = |hook: &&Hook| !self.accepts(&hook.chain, 0).unwrap_or(!hook.drops);
        self.hooks.iter().filter(drops).map(|hook| hook.accepting.as_str())
    }

    /// Returns whether a chain accepts the packet. None where it leaves that to the chain that has called it.
    fn accepts(&self, chain: &str, depth: usize) -> Option<bool> {
        if depth == DEPTH {
            return None;
        }
        for verdict in self.chains.get(chain).into_iter().flatten() {
            match verdict {
                Verdict::Accept => return Some(true),
                Verdict::Drop => return Some(false),
                Verdict::Return => return None,
                Verdict::Goto(other) => return self.accepts(other, depth + 1),
                Verdict::Jump(other) => {
                    let accepted = self.accepts(other, depth + 1);
                    if accepted.is_some() {
                        return accepted;
                    }
                }
            }
        }
        None
    }
}

/// Returns the words of a line, without the double quotes around some.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start().chars().peekable();
    while rest.peek().is_some() {
        let (mut word, mut quoted) = (String::new(), false);
        while let Some(character) = rest.next_if(|character| quoted || !character.is_whitespace()) {
            match character {
                '"' => quoted = !quoted,
                '\\' if quoted => word.extend(rest.next()),
                _ => word.push(character),
            }
        }
        words.push(word);
        while rest.next_if(|character| character.is_whitespace()).is_some() {}
    }
    words
}

/// Whether a name is the interface's, or begins as it does where it ends in `any`, which stands for the rest.
pub(super) fn names(name: &str, any: char, interface: &str) -> bool {
    match name.strip_suffix(any) {
        Some(beginning) => interface.starts_with(beginning),
        None => name == interface,
    }
}
