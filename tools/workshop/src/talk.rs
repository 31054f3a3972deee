//! A talk track: what the book says, in the order of a plan, beside the clock.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use common::quote::quoted;

use crate::info::{Info, workshop};
use crate::plan::unknown;

/// Returns the track of a plan, in Markdown.
///
/// - `plan`: half-day or full-day, as `book/src/workshop/plan.md` has them.
/// - `from`: when it begins, in minutes after midnight.
///
/// # Errors
///
/// There is no such plan, or a page of the book can't be read.
pub fn track(plan: &str, from: u32, info: &Info) -> Result<String> {
    let pages = workshop().join("../book/src");
    let table = read(&pages.join("workshop/plan.md"))?;
    let rows = section(&table, plan);
    let rows: Vec<_> = rows.lines().filter_map(cells).skip(2).collect();
    if rows.is_empty() {
        return Err(unknown(plan));
    }
    let say = read(&pages.join("workshop/say.md"))?;
    let mut track = format!("# {plan}, from {}\n\n", clock(from));
    for row in rows {
        let [begins, minutes, what] = row[..] else { continue };
        let (hours, rest) = begins.split_once(':').context("a row begins with a time")?;
        let begins = from + hours.parse::<u32>()? * 60 + rest.parse::<u32>()?;
        track += &format!("## {} ({minutes} minutes) {what}\n\n", clock(begins));
        if let Some(stages) = what.strip_suffix(": the talk") {
            let number = stages.get(..2).unwrap_or_default();
            let said = sections(&say).find(|section| section.starts_with(number));
            let said = said.context("say.md has a section for each stage")?;
            let said = said.split_once('\n').map_or("", |(_, text)| text).trim();
            let failure = failure(&pages, number)?;
            track += &format!("{said}\n\n### The failure, in the chapter's words\n\n{failure}\n\n");
        } else if what.starts_with('`') {
            for name in what.split(", ").map(|name| name.trim_matches('`')) {
                let exercise = info.exercise(name)?;
                let first = exercise.hint(1).unwrap_or_default();
                let question = first.trim_start_matches("1. ").replace("\n   ", "\n  ");
                track += &format!("- {name}, {} minutes. Ask: {question}\n", exercise.minutes);
            }
            track.push('\n');
        } else {
            // The first row and the last one have a section of their own.
            let id = if begins == from { "first" } else { "last" };
            if begins == from || what.contains("questions") {
                track += &format!("{}\n\n", section(&say, id).trim());
            }
        }
    }
    Ok(track)
}

/// Returns what goes wrong without a stage, from the chapter of its number.
fn failure(pages: &Path, number: &str) -> Result<String> {
    let mut names =
        fs::read_dir(pages).context("read the book")?.flatten().map(|entry| entry.path());
    let is_chapter = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(number))
    };
    let chapter = names.find(is_chapter).with_context(|| format!("no chapter {number}"))?;
    Ok(section(&read(&chapter)?, "failure").trim().to_owned())
}

/// Returns the sections of a page, each from its heading's words on.
fn sections(page: &str) -> impl Iterator<Item = &str> {
    page.split("\n## ").skip(1)
}

/// Returns the text of the section with this id.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let id = format!("{{#{id}}}\n");
    sections(page).find_map(|section| section.split_once(&id)).map_or("", |(_, text)| text)
}

/// Returns the cells of a table's row.
fn cells(line: &str) -> Option<Vec<&str>> {
    Some(line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect())
}

fn clock(minutes: u32) -> String {
    format!("{}:{:02}", minutes / 60 % 24, minutes % 60)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("read {}", quoted(file)))
}
