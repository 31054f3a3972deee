//! A recording as a table for a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::lanes::HOST;
use crate::record::{Call, EXIT, Line, Recording};
use crate::select::{Row, Selection};

/// The width where nobody says another: that of the book's column.
pub const WIDTH: usize = 100;

/// Columns of the place in the source.
const PLACE: usize = 30;

/// Columns before a row.
const INDENT: usize = 2;

pub const DIM: Style = Style::new().dimmed();
const NEW: Style = AnsiColor::Yellow.on_default();
const FAILED: Style = AnsiColor::Red.on_default();

/// Returns the colour of a lane.
pub fn colour(lane: &str) -> Style {
    match lane {
        HOST => AnsiColor::Cyan.on_default().bold(),
        "container" => AnsiColor::Green.on_default().bold(),
        _ => AnsiColor::Magenta.on_default().bold(),
    }
}

/// Returns a process as its heading has it: where it is, its name, its id as it sees itself, and as the host does.
pub fn heading(call: &Call, recording: &Recording) -> String {
    let process = &recording.processes[call.process];
    let style = colour(&call.lane);
    let mut heading = format!("{style}{}{style:#}  {} {}", call.lane, call.name, process.pid);
    if process.pid != process.host_pid {
        let _ = write!(heading, " {DIM}({} on the host){DIM:#}", process.host_pid);
    }
    heading
}

/// Returns the table of a run, `width` columns wide.
pub fn table(recording: &Recording, selection: &Selection, width: usize) -> String {
    // Always the same: a call that one run has and the next has not moves none of the others.
    let places = if selection.rows.iter().any(|row| row.call.line.is_some()) { PLACE } else { 0 };
    let mut table = Table {
        recording,
        places,
        width,
        text: String::new(),
        referred: Vec::new(),
        unplaced: Vec::new(),
    };
    let mut last = None;
    for row in &selection.rows {
        let of = (row.call.process, &row.call.lane, &row.call.name);
        let is_end = row.call.call == EXIT;
        let is_other = last.is_none_or(|last: (usize, _, _)| last.0 != of.0);
        if is_end && is_other {
            let heading = heading(row.call, recording);
            let _ = writeln!(table.text, "{heading}  {}", row.text);
        } else {
            if last != Some(of) && !is_end {
                let _ = writeln!(table.text, "{}", heading(row.call, recording));
            }
            if !is_end || selection.alike.contains_key(&of.0) || !table.ends_with(row) {
                table.row(row);
            }
        }
        last = Some(of);
        if let (true, Some(count)) = (is_end, selection.alike.get(&row.call.process)) {
            let _ =
                writeln!(table.text, "  {DIM}… {} more processes do the same{DIM:#}", count - 1);
        }
    }
    table.footer(selection);
    table.text
}

/// A table that is being written.
struct Table<'a> {
    recording: &'a Recording,
    /// Columns of the places in the source.
    places: usize,
    width: usize,
    text: String,
    /// What was said to read about a call: once is enough.
    referred: Vec<String>,
    /// The same, where there was no room for it beside the call.
    unplaced: Vec<String>,
}

impl Table<'_> {
    fn row(&mut self, row: &Row) {
        let places = self.places;
        let gap = if places == 0 { 0 } else { 2 };
        let columns = self.width.saturating_sub(INDENT + places + gap).max(20);
        let call = match row.returned.as_str() {
            "" => row.text.clone(),
            returned => format!("{} {returned}", row.text),
        };
        let style = if row.call.failed() { FAILED } else { Style::new() };
        let mut lines: Vec<_> = wrapped(&call, columns)
            .into_iter()
            .map(|line| (line.chars().count(), format!("{style}{line}{style:#}")))
            .collect();
        if !row.call.new.is_empty() {
            let new = format!("new: {}", row.call.new.join(" "));
            if !add(&mut lines, &new, NEW, columns) {
                lines.push((0, String::new()));
                add(&mut lines, &new, NEW, columns);
            }
        }
        self.refer(row.call, &mut lines, columns);
        let mut place = place(row.call);
        for (_, line) in lines {
            let line = format!("{:INDENT$}{DIM}{place:<places$}{DIM:#}{:gap$}{line}", "", "");
            let _ = writeln!(self.text, "{line}");
            place.clear();
        }
    }

    /// Puts the end of a process beside its last call, and returns whether there was room.
    fn ends_with(&mut self, row: &Row) -> bool {
        let last = self.text.lines().next_back().unwrap_or_default();
        let used = anstream::adapter::strip_str(last).to_string().chars().count();
        let end = format!("  {}", row.text);
        if used + end.chars().count() > self.width {
            return false;
        }
        self.text.truncate(self.text.trim_end_matches('\n').len());
        let _ = writeln!(self.text, "{end}");
        self.refer(row.call, &mut [(self.width, String::new())], self.width);
        true
    }

    /// Says what to read about a call.
    fn refer(&mut self, call: &Call, lines: &mut [(usize, String)], columns: usize) {
        let reference = reference(call);
        if !self.referred.contains(&reference) {
            if !add(lines, &reference, DIM, columns) {
                self.unplaced.push(reference.clone());
            }
            self.referred.push(reference);
        }
    }

    fn footer(&mut self, selection: &Selection) {
        let mut sentences = self.recording.notes.clone();
        if !self.unplaced.is_empty() {
            sentences.push(format!("To read as well: {}", self.unplaced.join("; ")));
        }
        if !selection.left_out.is_empty() {
            let what: Vec<_> =
                selection.left_out.iter().map(|(count, what)| format!("{count} {what}")).collect();
            sentences.push(format!("Left out: {}. --all shows every call", what.join("; ")));
        }
        for sentence in sentences {
            let options = textwrap::Options::new(self.width)
                .word_separator(textwrap::WordSeparator::AsciiSpace)
                .word_splitter(textwrap::WordSplitter::NoHyphenation);
            for line in textwrap::wrap(&format!("{sentence}."), options) {
                let _ = writeln!(self.text, "{DIM}{line}{DIM:#}");
            }
        }
    }
}

/// Puts an addition at the right edge of the last line, and returns whether there was room.
fn add(lines: &mut [(usize, String)], addition: &str, style: Style, columns: usize) -> bool {
    const GAP: usize = 2;
    let length = addition.chars().count();
    let (used, line) = lines.last_mut().expect("a call has a text");
    if *used + GAP + length > columns {
        return false;
    }
    let room = columns - *used - length;
    let _ = write!(line, "{:room$}{style}{addition}{style:#}", "");
    *used = columns;
    true
}

/// Breaks a call's text at its blanks, and where a word is longer than a line, within it.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let options = textwrap::Options::new(columns)
        .subsequent_indent("    ")
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(|line| line.into_owned()).collect()
}

/// Returns the function and the line that a call was made by.
pub fn place(call: &Call) -> String {
    call.line.as_ref().map_or(String::new(), short_place)
}

fn short_place(line: &Line) -> String {
    // Of a stage it is clear which one it is.
    let file = line.file.rsplit('/').next().unwrap_or_default();
    let place = |function: &str| format!("{function} {file}:{}", line.line);
    let method = line.function.rsplit("::").next().unwrap_or_default();
    let fits = |place: &String| place.chars().count() <= PLACE;
    let places = [place(&line.function), place(method)];
    places.into_iter().find(fits).unwrap_or_else(|| format!("{file}:{}", line.line))
}

/// Returns what to read about a call: the man page, and the chapter.
fn reference(call: &Call) -> String {
    let chapter = call.chapter.map(|chapter| chapter.split(".md").next().unwrap_or_default());
    match chapter {
        Some(chapter) => format!("{}, {chapter}", call.man),
        None => call.man.into(),
    }
}
