//! A recording as a picture: a sequence diagram that can be read on a phone, in the light and in the dark.
//!
//! Each process has a lane, and so has each thing in the kernel that calls change. A call is an arrow between two of them,
//! below its text. There are no ids in it, so that the pictures of two runs are the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::diff::{Run, normal};
use crate::record::{Call, EXIT, Recording};
use crate::select::{Row, Selection};

/// The width of the picture in its own units. A phone shows a unit as a pixel, more or less.
const WIDTH: usize = 400;

/// The height of a call, and of the three lines of headings.
const HEIGHT: usize = 28;
const HEAD: usize = 54;

/// Characters in a line of text.
const CHARACTERS: usize = 64;

/// Colours for light and dark, and what is drawn in which.
const STYLE: &str = "\
svg { --paper: #ffffff; --ink: #1f2328; --thin: #8a919a; --process: #0550ae; --inside: #116329; --object: #953800 }
@media (prefers-color-scheme: dark) {
  svg { --paper: #161b22; --ink: #e6edf3; --thin: #6e7681; --process: #79c0ff; --inside: #7ee787; --object: #ffa657 }
}
text { font: 10px monospace; fill: var(--ink) }
line { stroke: var(--thin); stroke-width: 1.5 }
rect { fill: var(--paper) }
circle, path { fill: var(--ink) }
.call { stroke: var(--ink) }
.host { fill: var(--process); stroke: var(--process) }
.inside { fill: var(--inside); stroke: var(--inside) }
.object { fill: var(--object); stroke: var(--object) }
text.host, text.inside, text.object { font-weight: bold; stroke: none }
.failed { stroke-dasharray: 3 3 }
";

/// A lane.
struct Lane {
    name: String,
    class: &'static str,
    /// The rows between which it is there.
    rows: (usize, usize),
}

/// What a lane is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Process(usize),
    Object(&'static str),
}

/// Returns the picture of a run.
pub fn svg(recording: &Recording, selection: &Selection) -> String {
    let rows: Vec<&Row> = selection.rows.iter().filter(|row| is_shown(row, selection)).collect();
    let lanes = lanes(recording, &rows);
    let places: BTreeMap<Key, usize> =
        lanes.keys().enumerate().map(|(place, key)| (*key, place)).collect();
    let x = |key: &Key| (places[key] * 2 + 1) * WIDTH / (places.len() * 2);
    let y = |row: usize| HEAD + row * HEIGHT;
    let height = y(rows.len()) + 8;
    let name = &name_of(0, recording);
    let run = Run { name, recording };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n<rect width=\"{WIDTH}\" height=\"{height}\"/>\n",
        escape(&format!("The calls of {name}"))
    );
    for (key, lane) in &lanes {
        let (x, class) = (x(key), lane.class);
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\"/>",
            y(lane.rows.0),
            y(lane.rows.1 + 1)
        );
        // Next to each other they have no room.
        let line = 14 + places[key] % 3 * 14;
        let anchor = anchor(x, lane.name.chars().count() * 3);
        let _ = writeln!(
            svg,
            "<text class=\"{class}\" x=\"{x}\" y=\"{line}\" text-anchor=\"{anchor}\">{}</text>",
            escape(&lane.name)
        );
    }
    for (number, row) in rows.iter().enumerate() {
        let from = x(&Key::Process(row.call.process));
        let to = target(row.call, recording).filter(|key| places.contains_key(key));
        let failed = if row.call.failed() { " failed" } else { "" };
        let at = y(number) + 20;
        match to.map(|key| x(&key)) {
            Some(to) => {
                let back: isize = if to > from { -6 } else { 6 };
                let head = to as isize + back;
                let _ = writeln!(
                    svg,
                    "<line class=\"call{failed}\" x1=\"{from}\" y1=\"{at}\" x2=\"{to}\" y2=\"{at}\"/>\n\
                     <path d=\"M{to} {at} L{head} {} L{head} {} Z\"/>",
                    at - 4,
                    at + 4
                );
            }
            None => {
                let _ = writeln!(svg, "<circle cx=\"{from}\" cy=\"{at}\" r=\"3\"/>");
            }
        }
        let returned = if row.call.failed() { format!(" {}", row.returned) } else { String::new() };
        let text = shortened(&normal(&format!("{}{returned}", row.text), &run));
        let half = text.chars().count() * 3;
        let anchor = anchor(from, half);
        let at = at - 7;
        let x = if anchor == "start" {
            4
        } else if anchor == "end" {
            WIDTH - 4
        } else {
            from
        };
        // A lane does not run through the text.
        let left = match anchor {
            "start" => x,
            "end" => x - 2 * half,
            _ => x - half,
        };
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{}\" width=\"{}\" height=\"12\"/>",
            at - 9,
            2 * half
        );
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{at}\" text-anchor=\"{anchor}\">{}</text>",
            escape(&text)
        );
    }
    svg + "</svg>\n"
}

/// Returns how a text is placed at `x`, of which a half is so wide, for it to be in the picture.
fn anchor(x: usize, half: usize) -> &'static str {
    if x < half + 4 {
        "start"
    } else if x + half + 4 > WIDTH {
        "end"
    } else {
        "middle"
    }
}

/// Whether a call is drawn: those of processes that do nothing but wait for others are not.
fn is_shown(row: &Row, selection: &Selection) -> bool {
    let waits = |call: &Call| [EXIT, "setsid"].contains(&call.call);
    let own = selection.rows.iter().filter(|other| other.call.process == row.call.process);
    own.into_iter().any(|other| !waits(other.call))
}

fn lanes(recording: &Recording, rows: &[&Row]) -> BTreeMap<Key, Lane> {
    let mut lanes: BTreeMap<Key, Lane> = BTreeMap::new();
    let last = rows.len().saturating_sub(1);
    let shown = |process: usize| rows.iter().any(|row| row.call.process == process);
    for (number, row) in rows.iter().enumerate() {
        let process = row.call.process;
        let name = name_of(process, recording);
        let is_outside = recording.processes[process].lane != "container";
        let class = if is_outside { "host" } else { "inside" };
        let own = Lane { name, class, rows: (number, number) };
        lanes.entry(Key::Process(process)).or_insert(own).rows.1 = number;
        match target(row.call, recording) {
            Some(Key::Object(name)) => {
                let lane = Lane { name: name.into(), class: "object", rows: (0, last) };
                lanes.entry(Key::Object(name)).or_insert(lane);
            }
            // It is there from the call on that makes it.
            Some(Key::Process(child)) if shown(child) => {
                let name = name_of(child, recording);
                let is_outside = recording.processes[child].lane != "container";
                let class = if is_outside { "host" } else { "inside" };
                let lane = Lane { name, class, rows: (number, number) };
                lanes.entry(Key::Process(child)).or_insert(lane);
            }
            _ => {}
        }
    }
    lanes
}

/// Returns the name of the program that a process has executed last, or else its own.
fn name_of(process: usize, recording: &Recording) -> String {
    let own = || recording.calls.iter().filter(|call| call.process == process);
    let executed = own().rfind(|call| call.call == "execve" && !call.failed());
    let argument = executed.and_then(|call| call.text.split_once('['));
    let argument = argument.and_then(|(_, words)| words.split([' ', ']']).next());
    let program = argument.and_then(|path| path.rsplit('/').next()).map(str::to_owned);
    let name = || own().next_back().map(|call| call.name.clone());
    program.or_else(name).unwrap_or_else(|| recording.processes[process].name.clone())
}

/// Returns what a call changes: a process that it makes, or something in the kernel.
fn target(call: &Call, recording: &Recording) -> Option<Key> {
    let at = recording.calls.iter().position(|other| std::ptr::eq(other, call));
    let child =
        recording.processes.iter().position(|process| at.is_some() && process.made_by == at);
    if let Some(child) = child {
        return Some(Key::Process(child));
    }
    let text = &call.text;
    let object = match call.call {
        "unshare" | "setns" => "namespaces",
        _ if text.contains("/sys/fs/cgroup") => "cgroup",
        _ if text.starts_with("netlink") || text.contains("/proc/sys/net/") => "network",
        _ if ["uid_map", "gid_map", "/setgroups"].iter().any(|file| text.contains(file)) => "ids",
        "sethostname" | "setdomainname" => "names",
        "mount" | "umount2" | "pivot_root" | "chroot" | "fsopen" | "fsconfig" | "fsmount"
        | "open_tree" | "move_mount" | "mount_setattr" => "mounts",
        _ => return None,
    };
    Some(Key::Object(object))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= CHARACTERS {
        return text.into();
    }
    text.chars().take(CHARACTERS - 1).chain(['…']).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
