//! A learner's folder is graded by this clone's tests, whatever has become of its own.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use common::quote::quoted;
use proc_macro2::{Group, TokenStream, TokenTree};

use crate::exercises;
use crate::folder::{self, read, write};
use crate::info::{Info, workshop};
use crate::stages::{Outcome, Stage};
use crate::tell;

/// What begins the tests of an exercise.
const TESTS: &str = "#[cfg(test)]\nmod tests {\n";

/// What no exercise takes, and by which its tests could be made to test something else, or nothing.
const CLOSED: [&str; 7] =
    ["#![", "#[cfg", "export_name", "include!", "link_section", "macro_rules!", "no_mangle"];

/// Grades a folder, and prints a table, in Markdown. The status is 1 where an exercise is not done.
///
/// - `learner`: the folder, with an info.toml that says which exercises there are to be.
/// - `work`: a folder to build in, which is made new.
///
/// # Errors
///
/// A file can't be read or written, or Cargo can't be started.
pub fn grade(learner: &Path, work: &Path, info: &Info) -> Result<ExitCode> {
    let asked = Info::read_in(learner)?.exercises;
    let exercises: Vec<_> =
        asked.iter().map(|exercise| info.exercise(&exercise.name)).collect::<Result<_>>()?;
    for old in ["exercises", "solutions", "stages"] {
        let old = work.join(old);
        if old.exists() {
            fs::remove_dir_all(&old).with_context(|| format!("remove {}", quoted(&old)))?;
        }
    }
    folder::copy(work, &exercises, info)?;
    let mut closed = Vec::new();
    for exercise in &exercises {
        let file = exercise.source();
        let code = fs::read_to_string(learner.join(&file)).unwrap_or_default();
        let tests = read(&workshop().join(&file))?;
        let (_, tests) = tests.split_once(TESTS).context("an exercise has tests")?;
        let code = code.split(TESTS).next().unwrap_or_default();
        closed.push(closed_words(code));
        write(&work.join(&file), &format!("{code}{TESTS}{tests}"))?;
    }
    for stage in Stage::all(work)? {
        take_code(
            &learner.join("stages").join(&stage.name),
            &work.join("stages").join(&stage.name),
        )?;
    }
    tell("| exercise | minutes | |\n| --- | --- | --- |\n")?;
    let mut undone = 0;
    for (exercise, closed) in exercises.iter().zip(closed) {
        let outcome = match closed {
            Some(words) => {
                exercises::Outcome::Fails(format!("has `{words}`, which no exercise takes"))
            }
            None => exercises::attempt(exercise, work)?,
        };
        let why = match outcome {
            exercises::Outcome::Passes | exercises::Outcome::NotBegun => None,
            exercises::Outcome::Fails(why) | exercises::Outcome::Untried(why) => {
                Some(in_a_cell(&why))
            }
        };
        undone += usize::from(why.is_some());
        tell(&format!(
            "| {} | {} | {} |\n",
            exercise.name,
            exercise.minutes,
            why.as_deref().unwrap_or("done")
        ))?;
    }
    tell("\n| stage | |\n| --- | --- |\n")?;
    let mut written = 0;
    let stages = Stage::all(work)?;
    for stage in &stages {
        let outcome = stage.outcome(work, |_| {})?;
        written += usize::from(matches!(outcome, Outcome::Done));
        tell(&format!("| {} | {} |\n", stage.name, in_a_cell(&stage.words(&outcome))))?;
    }
    let done = exercises.len() - undone;
    tell(&format!(
        "\n{done} of {} exercises, {written} of {} stages\n",
        exercises.len(),
        stages.len()
    ))?;
    Ok(if undone == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the first of [`CLOSED`] that a learner's code has, however it is spaced.
fn closed_words(code: &str) -> Option<&'static str> {
    // What is no Rust at all is looked at as it is.
    let code = code.parse().map_or(code.into(), |tokens| without_texts(tokens).to_string());
    let code: String = code.split_whitespace().collect();
    CLOSED.into_iter().find(|words| code.contains(words))
}

/// Leaves out literals, and with them what documentation says. (Other comments are no tokens.)
fn without_texts(tokens: TokenStream) -> TokenStream {
    let kept = tokens.into_iter().filter_map(|token| match token {
        TokenTree::Literal(_) => None,
        TokenTree::Group(group) => {
            Some(Group::new(group.delimiter(), without_texts(group.stream())).into())
        }
        token => Some(token),
    });
    kept.collect()
}

/// Copies a learner's sources over those that are handed out.
fn take_code(from: &Path, to: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(from.join("src")) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "rs") {
            write(&to.join("src").join(entry.file_name()), &read(&entry.path())?)?;
        }
    }
    Ok(())
}

/// Keeps what somebody else has written in the cell of a table.
fn in_a_cell(text: &str) -> String {
    let escaped: String = text.lines().next().unwrap_or_default().escape_debug().collect();
    escaped.replace('|', "\\|").replace("\\'", "'").replace("\\\"", "\"")
}
