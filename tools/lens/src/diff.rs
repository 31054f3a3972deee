//! The difference between the calls of two runs, as diff(1) shows one between two files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use nix::errno::Errno;
use similar::{ChangeTag, TextDiff};

use crate::record::{Call, Recording};
use crate::select::select;
use crate::table::{DIM, colour, place};

const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();

/// Unchanged calls that are shown around a changed one.
const CONTEXT: usize = 1;

/// A line to compare: a process, or a call of it.
struct Compared {
    /// Without what differs from one run to the next.
    key: String,
    lane: String,
    is_process: bool,
    place: String,
}

/// A run to compare.
pub struct Run<'a> {
    /// Its name, as `05-user`.
    pub name: &'a str,
    /// What was seen.
    pub recording: &'a Recording,
}

/// Returns the difference of two runs, at most `width` columns wide, or none where they do the same.
pub fn diff(old: &Run, new: &Run, width: usize) -> Option<String> {
    let (old_lines, new_lines) = (lines(old), lines(new));
    let keys = |lines: &[Compared]| lines.iter().map(|line| line.key.clone()).collect::<Vec<_>>();
    let (old_keys, new_keys) = (keys(&old_lines), keys(&new_lines));
    let (old_refs, new_refs) = (refs(&old_keys), refs(&new_keys));
    let diff = TextDiff::from_slices(&old_refs, &new_refs);
    let mut rows = Vec::new();
    for change in diff.iter_all_changes() {
        let (sign, line) = match change.tag() {
            ChangeTag::Delete => ('-', &old_lines[change.old_index()?]),
            ChangeTag::Insert => ('+', &new_lines[change.new_index()?]),
            ChangeTag::Equal => (' ', &new_lines[change.new_index()?]),
        };
        rows.push((sign, line));
    }
    if rows.iter().all(|(sign, _)| *sign == ' ') {
        return None;
    }
    Some(format!("--- {}\n+++ {}\n{}", old.name, new.name, shown(&rows, width)))
}

fn refs(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

fn shown(rows: &[(char, &Compared)], width: usize) -> String {
    let near = |index: usize| {
        let from = index.saturating_sub(CONTEXT);
        rows[from..].iter().take(index - from + CONTEXT + 1).any(|(sign, _)| *sign != ' ')
    };
    // The process that a call belongs to is always shown above it.
    let mut heading = None;
    let mut text = String::new();
    let mut left_out = false;
    for (index, (sign, line)) in rows.iter().enumerate() {
        if line.is_process && *sign == ' ' {
            heading = Some(line);
        } else if near(index) {
            if let Some(heading) = heading.take() {
                row(&mut text, ' ', heading, width);
            } else if left_out {
                let _ = writeln!(text, "  {DIM}…{DIM:#}");
            }
            left_out = false;
            row(&mut text, *sign, line, width);
        } else {
            left_out = true;
        }
    }
    text
}

fn row(text: &mut String, sign: char, line: &Compared, width: usize) {
    let style = match (sign, line.is_process) {
        ('+', _) => ADDED,
        ('-', _) => REMOVED,
        (_, true) => colour(&line.lane),
        _ => Style::new(),
    };
    let (indent, after) = if line.is_process { ("", "") } else { ("  ", "      ") };
    let options = textwrap::Options::new(width.saturating_sub(2).max(20))
        .initial_indent(indent)
        .subsequent_indent(after)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    let lines = textwrap::wrap(&line.key, options);
    for (index, part) in lines.iter().enumerate() {
        let _ = write!(text, "{style}{sign} {part}{style:#}");
        // Where the changed call is, if there is room.
        let room = width.saturating_sub(2 + part.chars().count());
        let place = line.place.chars().count();
        if index + 1 == lines.len() && sign != ' ' && place > 0 && room > place + 1 {
            let _ = write!(text, "{DIM}{:>room$}{DIM:#}", line.place);
        }
        text.push('\n');
    }
}

/// Returns the calls of a run by process, in the order in which the processes were made: of two that run at once, now the
/// one is faster and now the other.
fn lines(run: &Run) -> Vec<Compared> {
    let selection = select(run.recording, false);
    let mut of_process: BTreeMap<usize, Vec<Compared>> = BTreeMap::new();
    let mut last: BTreeMap<usize, (String, String)> = BTreeMap::new();
    for row in &selection.rows {
        let call = row.call;
        let own = of_process.entry(call.process).or_default();
        let of = (call.lane.clone(), call.name.clone());
        if last.get(&call.process) != Some(&of) {
            let key = normal(&format!("{}  {}", call.lane, call.name), run);
            let (lane, place) = (call.lane.clone(), String::new());
            own.push(Compared { key, lane, is_process: true, place });
            last.insert(call.process, of);
        }
        let gone = removes_what_may_be_gone(call);
        let failed = call.failed() && !gone;
        let returned = if failed { format!(" {}", row.returned) } else { String::new() };
        let new = match call.new.as_slice() {
            [] => String::new(),
            new => format!("  new: {}", new.join(" ")),
        };
        let text = if gone { "netlink link delete [LINK]" } else { &row.text };
        let key = normal(&format!("{text}{returned}{new}"), run);
        let place = place_in(call, run);
        own.push(Compared { key, lane: call.lane.clone(), is_process: false, place });
    }
    of_process.values_mut().for_each(forget_luck);
    let mut of_process: Vec<_> = of_process.into_iter().collect();
    of_process.sort_by_key(|(process, _)| birth(*process, run.recording));
    of_process.into_iter().flat_map(|(_, lines)| lines).collect()
}

/// Returns the place of a call: the line where it is the stage's own. Elsewhere the function is enough, since lines move
/// for reasons that have nothing to do with the two.
fn place_in(call: &Call, run: &Run) -> String {
    let place = place(call);
    let is_own = call.line.as_ref().is_some_and(|line| line.file.starts_with(run.name));
    match place.rsplit_once(':') {
        Some((function, _)) if !is_own => function.into(),
        _ => place,
    }
}

/// Whether a call removes a pair of veth. The kernel does so, too, when the network at its other end has ended. Which of
/// them is faster is luck.
fn removes_what_may_be_gone(call: &Call) -> bool {
    call.text.starts_with("netlink link delete veth")
        || call.text.starts_with("netlink link delete ") && call.result == Some(Err(Errno::ENODEV))
}

/// Keeps only the lane and the end of a process that was killed: how far it had come, and so what it was called, is luck.
fn forget_luck(lines: &mut Vec<Compared>) {
    if lines.last().is_some_and(|line| line.key == "killed by SIGKILL") {
        let end = lines.pop();
        lines.truncate(1);
        lines.iter_mut().for_each(|process| process.key.clone_from(&process.lane));
        lines.extend(end);
    }
}

/// Returns the places of the calls that have made a process, its parent and so on, the eldest first. Which of two
/// children begins first differs from run to run; which was made first does not.
fn birth(process: usize, recording: &Recording) -> Vec<usize> {
    let own = &recording.processes[process];
    let mut calls = own.parent.map_or(Vec::new(), |parent| birth(parent, recording));
    calls.push(own.made_by.unwrap_or(usize::MAX));
    calls
}

/// What stands before a number that differs from one run to the next, and what the number is.
const IDS: [(&str, &str); 8] = [
    ("fsconfig(", "[FD]"),
    ("fsmount(", "[FD]"),
    ("/dev/pts/", "[TTY]"),
    ("/proc/", "[PID]"),
    ("veth", "[PID]"),
    ("netns ", "[PID]"),
    ("cgroup.procs \"", "[PID]"),
    ("tasks \"", "[PID]"),
];

/// Replaces what differs from one run to the next, and from one program to the next: the ids of processes and terminals,
/// descriptors, its own name and path, and the cgroup that it was started in.
pub fn normal(text: &str, run: &Run) -> String {
    let mut normal = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        normal += before;
        let id = IDS.iter().find(|(before, _)| normal.ends_with(before));
        // What refers to a file, as `3=/proc`.
        let is_descriptor = number[end..].starts_with('=') && normal.ends_with(['(', ' ']);
        normal += match id {
            Some((_, name)) => name,
            None if is_descriptor => "[FD]",
            None => &number[..end],
        };
        rest = &number[end..];
    }
    normal += rest;
    // Where the default root directory is another user's, this one takes its place.
    let own_root = format!("/tmp/busybox-{}", nix::unistd::geteuid());
    let normal = normal.replace(&own_root, "/tmp/busybox");
    // comm(5) has 15 bytes.
    let name: String = run.name.chars().take(15).collect();
    without_cgroup(&without_path(&normal, run.name).replace(&name, "[STAGE]"))
}

/// Replaces the path of the cgroup that a program was started in, and the numbers in the name of the one that it makes there.
fn without_cgroup(text: &str) -> String {
    let (Some(start), own) = (text.find("/sys/fs/cgroup"), "/[STAGE].") else {
        return text.into();
    };
    let (before, path) = text.split_at(start);
    let path_end = path.find([' ', ',', ')']).unwrap_or(path.len());
    let (path, after) = path.split_at(path_end);
    if let Some(end) = path.find(own) {
        let name =
            path[end + own.len()..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        return format!("{before}[CGROUP]{own}[N]{name}{after}");
    }
    match path.rfind("/cgroup.") {
        Some(end) => format!("{before}[CGROUP]{}{after}", &path[end..]),
        None => text.into(),
    }
}

/// Replaces the path of the program with this name.
fn without_path(text: &str, name: &str) -> String {
    let end = format!("/{name}");
    let ends = |word: &str, at: usize| {
        let after = word[at + end.len()..].chars().next();
        after.is_none_or(|c| !c.is_alphanumeric() && !"./-_".contains(c))
    };
    let replaced = text.split(' ').map(|word| match word.rfind(&end) {
        Some(at) if ends(word, at) => {
            let start = word[..at].rfind(['(', '[', '=']).map_or(0, |bracket| bracket + 1);
            format!("{}[STAGE]{}", &word[..start], &word[at + end.len()..])
        }
        _ => word.to_string(),
    });
    replaced.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_path_is_replaced_and_what_only_has_its_name_is_not() {
        let replaced = without_path("execve(/a/b/05-user, [/a/b/05-user -c true])", "05-user");
        assert_eq!(replaced, "execve([STAGE], [[STAGE] -c true])");
        assert_eq!(without_path("mkdir(/a/05-user.1.0)", "05-user"), "mkdir(/a/05-user.1.0)");
    }

    #[test]
    fn ids_and_the_cgroup_around_are_replaced_and_other_numbers_are_not() {
        let recording = Recording::default();
        let run = Run { name: "08-cgroups", recording: &recording };
        let normal = |text| normal(text, &run);
        assert_eq!(
            normal("write /proc/17/uid_map \"0 1000 1\""),
            "write /proc/[PID]/uid_map \"0 1000 1\""
        );
        assert_eq!(
            normal("mkdir(/sys/fs/cgroup/pids/session-2/08-cgroups.1.0)"),
            "mkdir([CGROUP]/[STAGE].[N])"
        );
        assert_eq!(
            normal("write /sys/fs/cgroup/a/08-cgroups.1.0/pids.max \"20\""),
            "write [CGROUP]/[STAGE].[N]/pids.max \"20\""
        );
        assert_eq!(
            normal("write /sys/fs/cgroup/a/b.scope/cgroup.subtree_control \"+pids\""),
            "write [CGROUP]/cgroup.subtree_control \"+pids\""
        );
        assert_eq!(
            normal("mount proc on 4=/new/proc (proc)"),
            "mount proc on [FD]=/new/proc (proc)"
        );
        assert_eq!(
            normal("fsconfig(8, FSCONFIG_CMD_CREATE)"),
            "fsconfig([FD], FSCONFIG_CMD_CREATE)"
        );
        assert_eq!(normal("setns(4=anon_inode:[pidfd], 0)"), "setns([FD]=anon_inode:[pidfd], 0)");
        assert_eq!(
            normal("mount a on b (size=64m, mode=1777)"),
            "mount a on b (size=64m, mode=1777)"
        );
        assert_eq!(normal("mkdir(/sys/fs/cgroup/other)"), "mkdir(/sys/fs/cgroup/other)");
    }
}
