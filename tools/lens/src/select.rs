//! What of a recording is shown: without what makes nothing, and with what repeats in one row.

use std::collections::{BTreeMap, HashMap};

use crate::calls::Meaning;
use crate::record::{Call, EXIT, Recording};

/// A row to show: one call, or several that differ little.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The first of them.
    pub call: &'a Call,
    /// The text of all of them.
    pub text: String,
    /// What they have returned.
    pub returned: String,
}

/// What is shown of a run, and what is not.
#[derive(Debug)]
pub struct Selection<'a> {
    /// The rows, in the order in which their first calls were made.
    pub rows: Vec<Row<'a>>,
    /// What was left out, and how often.
    pub left_out: Vec<(usize, &'static str)>,
    /// Processes that do what another one does, by the one that is shown.
    pub alike: HashMap<usize, usize>,
}

/// Chooses what of a run is shown.
///
/// - `all`: leave nothing out.
pub fn select(recording: &Recording, all: bool) -> Selection<'_> {
    let mut left_out = BTreeMap::new();
    let reasons = reasons(recording);
    let mut shown: Vec<&Call> = Vec::new();
    for (call, reason) in recording.calls.iter().zip(reasons) {
        match reason.filter(|_| !all) {
            Some(reason) => *left_out.entry(reason).or_insert(0) += 1,
            None => shown.push(call),
        }
    }
    let alike = if all { HashMap::new() } else { alike(&shown, recording) };
    let hidden = |call: &Call| alike.get(&call.process).is_some_and(|first| *first != call.process);
    shown.retain(|call| !hidden(call));
    let mut counts = HashMap::new();
    for first in alike.values() {
        *counts.entry(*first).or_insert(0) += 1;
    }
    let rows = group(&shown);
    let left_out = left_out.into_iter().map(|(reason, count)| (count, reason)).collect();
    Selection { rows, left_out, alike: counts }
}

/// Returns for each call why it makes nothing, if it makes nothing.
fn reasons(recording: &Recording) -> Vec<Option<&'static str>> {
    let calls = &recording.calls;
    let mut of_process: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, call) in calls.iter().enumerate() {
        of_process.entry(call.process).or_default().push(index);
    }
    let mut reasons = vec![None; calls.len()];
    for own in of_process.values() {
        for (place, index) in own.iter().enumerate() {
            let neighbour = |step: isize| {
                let place = usize::try_from(place as isize + step).ok()?;
                own.get(place).map(|index| &calls[*index])
            };
            reasons[*index] = reason(&calls[*index], neighbour(-1), neighbour(1));
        }
    }
    reasons
}

fn reason(call: &Call, before: Option<&Call>, after: Option<&Call>) -> Option<&'static str> {
    let changes_root = |call: &&Call| ["chroot", "pivot_root", "umount2"].contains(&call.call);
    let executes = |call: &&Call| call.call == "execve";
    match call.call {
        _ if call.meaning == Meaning::List && !call.failed() => {
            Some("requests for lists of devices, addresses and routes")
        }
        "chdir" | "fchdir"
            if before.filter(changes_root).or(after.filter(changes_root)).is_none() =>
        {
            Some("changes of the working directory")
        }
        "execve" if call.failed() && after.filter(executes).is_some() => {
            Some("failed searches for a program in PATH")
        }
        _ => None,
    }
}

/// How many processes may do the same before only the first of them is shown.
const FEW: usize = 3;

/// Returns the processes that do the same as others of the same parent: each with the first of them.
fn alike(shown: &[&Call], recording: &Recording) -> HashMap<usize, usize> {
    let mut does: BTreeMap<usize, String> = BTreeMap::new();
    for call in shown {
        let text = call.text.replace(&recording.processes[call.process].pid.to_string(), "PID");
        *does.entry(call.process).or_default() += &format!("{text} {:?}\n", call.result.is_some());
    }
    let mut same: HashMap<_, Vec<usize>> = HashMap::new();
    for (process, text) in does {
        let parent = recording.processes[process].parent;
        same.entry((parent, text)).or_default().push(process);
    }
    let many = same.into_values().filter(|same| same.len() > FEW);
    many.flat_map(|same| same.clone().into_iter().map(move |process| (process, same[0]))).collect()
}

/// Groups calls of a process that follow each other and come from the same line, whatever other processes do
/// meanwhile.
fn group<'a>(calls: &[&'a Call]) -> Vec<Row<'a>> {
    let mut of_process: BTreeMap<usize, Vec<(usize, &Call)>> = BTreeMap::new();
    for (place, call) in calls.iter().enumerate() {
        of_process.entry(call.process).or_default().push((place, call));
    }
    let mut rows: Vec<_> = of_process.values().flat_map(|own| group_own(own)).collect();
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Groups the calls of one process: each row with the place of its first call.
fn group_own<'a>(mut calls: &[(usize, &'a Call)]) -> Vec<(usize, Row<'a>)> {
    let mut rows = Vec::new();
    while let Some((place, first)) = calls.first() {
        let same = calls.iter().take_while(|(_, call)| repeats(first, call)).count();
        let texts: Vec<_> = calls[..same].iter().map(|(_, call)| call.text.as_str()).collect();
        let (text, count) = fold_most(&texts).unwrap_or_else(|| (first.text.clone(), 1));
        let (group, rest) = calls.split_at(count);
        rows.push((*place, Row { call: first, text, returned: returned(group) }));
        calls = rest;
    }
    rows
}

fn repeats(first: &Call, other: &Call) -> bool {
    first.process == other.process
        && first.call == other.call
        && first.call != EXIT
        && first.line == other.line
        && first.name == other.name
        && first.new == other.new
        && first.result.map(|result| result.is_ok()) == other.result.map(|result| result.is_ok())
}

fn returned(calls: &[(usize, &Call)]) -> String {
    const MOST: usize = 4;
    let first = calls[0].1;
    let numbers = first.meaning == Meaning::Number && calls.len() > 1 && !first.failed();
    if !numbers {
        return first.returned();
    }
    let mut shown: Vec<_> = calls.iter().take(MOST).map(|(_, call)| call.returned()).collect();
    shown.iter_mut().skip(1).for_each(|number| *number = number.replace("= ", ""));
    if calls.len() > MOST {
        shown.push("…".into());
    }
    shown.join(", ")
}

/// Writes as many of these texts as one as can be, from the first on, and returns how many. None where they are few.
fn fold_most(texts: &[&str]) -> Option<(String, usize)> {
    // Mostly it is all of them. What can't be one text can't be one with more either.
    let all = Some(texts.len()).filter(|count| *count >= FEW);
    let whole = all.and_then(|count| fold(texts).map(|text| (text, count)));
    let some =
        || (FEW..texts.len()).map_while(|count| Some((fold(&texts[..count])?, count))).last();
    whole.or_else(some)
}

/// Writes texts as one, with what differs in braces: `/dev/{null,zero}`. None where they differ in more than one way.
fn fold(texts: &[&str]) -> Option<String> {
    let words: Vec<Vec<&str>> = texts.iter().map(|text| text.split(' ').collect()).collect();
    let length = words.first()?.len();
    if words.iter().any(|words| words.len() != length) {
        return None;
    }
    let mut known: Vec<Vec<&str>> = Vec::new();
    let mut folded = Vec::new();
    for column in 0..length {
        let column: Vec<&str> = words.iter().map(|words| words[column]).collect();
        if column.iter().all(|word| *word == column[0]) {
            folded.push(column[0].to_string());
            continue;
        }
        let (before, after) = common_ends(&column);
        let middle: Vec<&str> =
            column.iter().map(|word| &word[before..word.len() - after]).collect();
        let first = column[0];
        let braces = match known.as_slice() {
            [] => listed(&middle),
            [known] if *known == middle => "…".into(),
            _ => return None,
        };
        folded.push(format!("{}{{{braces}}}{}", &first[..before], &first[first.len() - after..]));
        known = vec![middle];
    }
    Some(folded.join(" "))
}

fn listed(words: &[&str]) -> String {
    const MOST: usize = 8;
    match words.get(MOST..) {
        Some(more) if !more.is_empty() => {
            format!("{},… {} more", words[..MOST].join(","), more.len())
        }
        _ => words.join(","),
    }
}

/// Returns how many bytes words have in common at their beginnings and at their ends, by whole parts of paths.
fn common_ends(words: &[&str]) -> (usize, usize) {
    let first = words[0];
    let shared = |length: usize, text: &dyn Fn(&str, usize) -> Option<String>| {
        let own = text(first, length);
        own.is_some() && words.iter().all(|word| text(word, length) == own)
    };
    let start = |word: &str, length: usize| word.get(..length).map(String::from);
    let end =
        |word: &str, length: usize| word.get(word.len().checked_sub(length)?..).map(String::from);
    let before = (0..=first.len())
        .rev()
        .find(|length| {
            (*length == 0 || first[..*length.min(&first.len())].ends_with(['/', '(', '=']))
                && shared(*length, &start)
        })
        .unwrap_or(0);
    let room = words.iter().map(|word| word.len().saturating_sub(before)).min().unwrap_or(0);
    let after = (0..=room)
        .rev()
        .find(|length| {
            let tail = first.get(first.len() - length..).unwrap_or_default();
            (*length == 0 || tail.starts_with(['/', ')', ','])) && shared(*length, &end)
        })
        .unwrap_or(0);
    (before, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_repeated_calls_is_in_braces_once() {
        let texts = [
            "mount /dev/null on /new/dev/null (MS_BIND)",
            "mount /dev/full on /new/dev/full (MS_BIND)",
        ];
        assert_eq!(
            fold(&texts).as_deref(),
            Some("mount /dev/{null,full} on /new/dev/{…} (MS_BIND)")
        );
        assert_eq!(
            fold(&["umount2(/a/x, 0)", "umount2(/a/y, 0)"]).as_deref(),
            Some("umount2(/a/{x,y}, 0)")
        );
        assert_eq!(fold(&["clone()", "clone()"]).as_deref(), Some("clone()"));
        assert_eq!(fold(&["a b", "a"]), None);
        let drops = ["prctl(A, B)", "prctl(A, C)", "prctl(A, D)", "prctl(KEEP, 1)"];
        assert_eq!(fold_most(&drops), Some(("prctl(A, {B,C,D})".into(), 3)));
        assert_eq!(fold_most(&drops[2..]), None);
        assert_eq!(fold(&["write /a \"1\"", "write /b \"2\""]), None);
    }
}
