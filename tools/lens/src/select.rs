//! Which part of a recording is shown: calls that make nothing are left out, and those that repeat share a row.

use std::collections::{BTreeMap, HashMap};

use nix::errno::Errno;

use crate::calls::Meaning;
use crate::record::{Call, EXIT, Process, Recording};

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

/// Chooses which part of a run is shown.
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
    let alike = if all { Vec::new() } else { alike(&shown, recording) };
    shown.retain(|call| !alike.iter().any(|alike| alike.processes[1..].contains(&call.process)));
    let mut rows = group(&shown);
    for Alike { processes, texts } in &alike {
        let own = rows.iter_mut().filter(|row| row.call.process == processes[0]);
        let differ = own.zip(texts).filter_map(|(row, text)| Some((row, text.clone()?)));
        differ.for_each(|(row, text)| row.text = text);
    }
    let counts = alike.iter().map(|alike| (alike.processes[0], alike.processes.len())).collect();
    let left_out = left_out.into_iter().map(|(reason, count)| (count, reason)).collect();
    Selection { rows, left_out, alike: counts }
}

/// Returns, for each call, why it is left out, if it is.
fn reasons(recording: &Recording) -> Vec<Option<&'static str>> {
    let calls = &recording.calls;
    let mut of_process: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, call) in calls.iter().enumerate() {
        of_process.entry(call.process).or_default().push(index);
    }
    let mut reasons = vec![None; calls.len()];
    for own in of_process.values() {
        let executes = own.iter().any(|index| calls[*index].call == "execve");
        if executes && own.iter().all(|index| is_vain(&calls[*index])) {
            own.iter().for_each(|index| {
                reasons[*index] = Some("calls of processes that find no program to execute")
            });
            continue;
        }
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

/// Whether a call is one of a process that looks for a program in vain, and ends.
fn is_vain(call: &Call) -> bool {
    call.call == EXIT || call.call == "execve" && call.result == Some(Err(Errno::ENOENT))
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

/// Processes that do the same, or differ in one word of a row. The first stands for all of them.
struct Alike {
    processes: Vec<usize>,
    /// What its rows say where they differ.
    texts: Vec<Option<String>>,
}

impl Alike {
    /// Returns processes as one, each of them with the texts of its rows. None where they differ in more than one way.
    fn of(processes: &[(usize, Vec<String>)]) -> Option<Alike> {
        let (_, first) = processes.first()?;
        if processes.iter().any(|(_, rows)| rows.len() != first.len()) {
            return None;
        }
        let mut texts = Vec::new();
        for row in 0..first.len() {
            let of_all: Vec<_> = processes.iter().map(|(_, rows)| rows[row].as_str()).collect();
            let differs = of_all.iter().any(|text| *text != of_all[0]);
            texts.push(if differs { Some(fold(&of_all)?) } else { None });
        }
        Some(Alike { processes: processes.iter().map(|(process, _)| *process).collect(), texts })
    }
}

/// Returns the processes that do the same as others of the same parent.
fn alike(shown: &[&Call], recording: &Recording) -> Vec<Alike> {
    let mut does: BTreeMap<usize, Vec<&Call>> = BTreeMap::new();
    for call in shown {
        does.entry(call.process).or_default().push(call);
    }
    let mut similar: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (process, calls) in does {
        let Process { parent, pid, .. } = &recording.processes[process];
        // Of a call on what is different, such as another program, even the first word differs.
        let first_word = |call: &Call| call.text.split(' ').next().map(str::to_owned);
        let kind = |call: &&Call| (first_word(call), call.result.map(|result| result.is_ok()));
        let kinds: Vec<_> = calls.iter().map(kind).collect();
        let text = |row: Row| without_pid(&row.text, *pid);
        let rows: Vec<_> = group(&calls).into_iter().map(text).collect();
        similar.entry((*parent, kinds)).or_default().push((process, rows));
    }
    let mut found = Vec::new();
    for processes in similar.into_values() {
        if let Some(alike) = Alike::of(&processes) {
            found.push(alike);
            continue;
        }
        // Some of them may be.
        let mut same: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for process in processes {
            same.entry(process.1.clone()).or_default().push(process);
        }
        found.extend(same.values().filter_map(|same| Alike::of(same)));
    }
    found.retain(|alike| alike.processes.len() > FEW);
    found
}

/// Returns a text with "PID" in the place of a process id: of a whole word, and not of a part of `/lib64/ld-x86-64.so`.
fn without_pid(text: &str, pid: i32) -> String {
    let pid = pid.to_string();
    let is_end = |c: char| " /\",()[]=".contains(c);
    let words = text.split_inclusive(is_end);
    words
        .map(|word| match word.strip_prefix(&pid) {
            Some(rest) if rest.chars().all(is_end) => format!("PID{rest}"),
            _ => word.to_owned(),
        })
        .collect()
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

/// Lists words, as many as fit into a line with the rest.
fn listed(words: &[&str]) -> String {
    const MOST: usize = 36;
    let length = |count: usize| words[..count].iter().map(|word| word.len() + 1).sum::<usize>();
    let count = (1..=words.len()).rev().find(|count| length(*count) <= MOST).unwrap_or(1);
    match words.len() - count {
        0 => words.join(","),
        more => format!("{},… {more} more", words[..count].join(",")),
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
            (*length == 0 || tail.starts_with(['/', ')', ',', ']'])) && shared(*length, &end)
        })
        .unwrap_or(0);
    (before, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_is_a_whole_number() {
        assert_eq!(
            without_pid("write /proc/64/uid_map \"64\"", 64),
            "write /proc/PID/uid_map \"PID\""
        );
        let others = "execve(/lib64/ld-linux-x86-64.so.2, [164 640])";
        assert_eq!(without_pid(others, 64), others);
    }

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
        assert_eq!(
            fold(&["execve(/ld, [/ld /usr/bin/a])", "execve(/ld, [/ld /usr/sbin/b])"]).as_deref(),
            Some("execve(/ld, [/ld /usr/{bin/a,sbin/b}])")
        );
        assert_eq!(fold(&["clone()", "clone()"]).as_deref(), Some("clone()"));
        assert_eq!(fold(&["a b", "a"]), None);
        let drops = ["prctl(A, B)", "prctl(A, C)", "prctl(A, D)", "prctl(KEEP, 1)"];
        assert_eq!(fold_most(&drops), Some(("prctl(A, {B,C,D})".into(), 3)));
        assert_eq!(fold_most(&drops[2..]), None);
        assert_eq!(fold(&["write /a \"1\"", "write /b \"2\""]), None);
    }
}
