//! Which exercises of a folder pass: those that somebody has written in are tried, and what has come of it is noted, so that
//! each is tried once after a change.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use common::quote::quoted;

use crate::info::{Exercise, workshop};
use crate::stages::cargo;

/// Where this tool notes it: in each line a name, a number of the text that was tried, and the outcome.
const NOTED: &str = ".exercises-state.txt";

/// What has come of an exercise.
#[derive(Clone, PartialEq)]
pub enum Outcome {
    /// It is as it was handed out.
    NotBegun,
    Passes,
    /// It fails, and how the first message about it begins.
    Fails(String),
    /// It takes something that is not there, as a cgroup.
    Untried(String),
}

/// The outcomes that are noted in a folder, each with the text that was tried.
pub struct Tried(BTreeMap<String, (u64, Outcome)>);

impl Tried {
    /// Reads what is noted. Whoever owns the folder may have written anything there.
    pub fn read(folder: &Path) -> Tried {
        let noted = fs::read_to_string(folder.join(NOTED)).unwrap_or_default();
        let line = |line: &str| {
            let mut parts = line.split('\t');
            let (name, number) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
            let outcome = match parts.next()? {
                "passes" => Outcome::Passes,
                _ => Outcome::Fails(String::new()),
            };
            Some((name, (number, outcome)))
        };
        Tried(noted.lines().filter_map(line).collect())
    }

    /// Returns what is known of an exercise with this text, without trying it.
    pub fn of(&self, exercise: &Exercise, text: &str) -> Option<Outcome> {
        let (number, outcome) = self.0.get(&exercise.name)?;
        (number_of(text) == *number).then(|| outcome.clone())
    }

    /// Tries those that have changed, and notes what has come of it. `tell` is called before each.
    ///
    /// # Errors
    ///
    /// A file can't be read or written, or Cargo can't be started.
    pub fn update(
        folder: &Path,
        exercises: &[Exercise],
        tell: impl Fn(&str),
    ) -> Result<Vec<Outcome>> {
        let mut tried = Tried::read(folder);
        let mut outcomes = Vec::new();
        for exercise in exercises {
            let file = folder.join(exercise.source());
            let text =
                fs::read_to_string(&file).with_context(|| format!("read {}", quoted(&file)))?;
            let outcome = match tried.of(exercise, &text) {
                Some(outcome) => outcome,
                None if is_handed_out(exercise, &file, &text, folder) => Outcome::NotBegun,
                None => {
                    tell(&exercise.name);
                    attempt(exercise, folder)?
                }
            };
            match outcome {
                Outcome::Passes | Outcome::Fails(_) => {
                    let noted = (number_of(&text), outcome.clone());
                    tried.0.insert(exercise.name.clone(), noted);
                }
                Outcome::NotBegun | Outcome::Untried(_) => drop(tried.0.remove(&exercise.name)),
            }
            outcomes.push(outcome);
        }
        tried.write(folder)?;
        Ok(outcomes)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let line = |(name, (number, outcome)): (&String, &(u64, Outcome))| {
            let outcome = if *outcome == Outcome::Passes { "passes" } else { "fails" };
            format!("{name}\t{number}\t{outcome}\n")
        };
        let file = folder.join(NOTED);
        fs::write(&file, self.0.iter().map(line).collect::<String>())
            .with_context(|| format!("write {}", quoted(&file)))
    }
}

/// Builds an exercise and runs its tests.
///
/// # Errors
///
/// Cargo can't be started.
pub fn attempt(exercise: &Exercise, folder: &Path) -> Result<Outcome> {
    let mut cargo = cargo(folder);
    let output = cargo.args(["test", "-q", "--bin", &exercise.name]).output();
    let output = output.context("start cargo")?;
    if output.status.success() {
        return Ok(Outcome::Passes);
    }
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    const NEEDS: &str = "This exercise needs";
    let begins = |line: &&str| {
        ["Wrong: ", NEEDS, "Your function", "error"].iter().any(|words| line.starts_with(words))
    };
    let first = said.lines().find(begins).unwrap_or("its tests fail").to_owned();
    Ok(if first.starts_with(NEEDS) { Outcome::Untried(first) } else { Outcome::Fails(first) })
}

/// Whether an exercise is as it was handed out: as in the clone, or in the clone itself as git has it. (Who has committed
/// there what they have solved, has taken the `TODO` out.)
fn is_handed_out(exercise: &Exercise, file: &Path, text: &str, folder: &Path) -> bool {
    let original = workshop().join(exercise.source());
    let same =
        |one: &Path, other: &Path| fs::canonicalize(one).ok() == fs::canonicalize(other).ok();
    if !same(file, &original) {
        return fs::read_to_string(original).is_ok_and(|original| original == text);
    }
    let mut git = Command::new("git");
    let path = format!("HEAD:./{}", exercise.source().display());
    git.args(["show", &path]).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null());
    let is_committed = git.output().is_ok_and(|output| output.stdout == text.as_bytes());
    is_committed && text.contains("// TODO")
}

fn number_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
