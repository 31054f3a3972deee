//! How far somebody is: the exercises and the stages that pass. Of other folders what is noted there counts, by Rustlings
//! and by this tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use common::quote::{escaped, quoted};

use crate::exercises::{Outcome, Tried};
use crate::info::{Exercise, Info};
use crate::stages::{DONE, Stage};
use crate::tell;

/// Where Rustlings notes what is done: two lines that don't matter, the current exercise, a line that is empty, and those
/// that are done.
const NOTED_BY_RUSTLINGS: &str = ".rustlings-state.txt";

/// Where this tool notes how far the stages are.
const NOTED: &str = ".stages-state.txt";

/// What is known of a folder without building anything.
struct Noted {
    exercises: Vec<Exercise>,
    current: String,
    done: Vec<String>,
    /// To each stage, in its order, how far it is.
    stages: Vec<(String, String)>,
    /// When an exercise or a stage was saved the last time, in minutes before now.
    idle: Option<u64>,
}

impl Noted {
    fn read(folder: &Path) -> Result<Noted> {
        let exercises = Info::read_in(folder)?.exercises;
        let state = fs::read_to_string(folder.join(NOTED_BY_RUSTLINGS)).unwrap_or_default();
        let mut lines = state.lines().skip(2);
        // Whoever owns the folder may have written anything there.
        let is_known = |name: &&str| exercises.iter().any(|exercise| exercise.name == **name);
        let current = lines.next().filter(is_known).map(str::to_owned);
        let by_rustlings: Vec<_> = lines.filter(is_known).collect();
        let tried = Tried::read(folder);
        let is_done = |exercise: &&Exercise| {
            let text = fs::read_to_string(folder.join(exercise.source()));
            match text.ok().and_then(|text| tried.of(exercise, &text)) {
                Some(outcome) => outcome == Outcome::Passes,
                None => by_rustlings.contains(&exercise.name.as_str()),
            }
        };
        let done: Vec<_> =
            exercises.iter().filter(is_done).map(|exercise| exercise.name.clone()).collect();
        // Where Rustlings is, if it is about one that is still to be done; else the first of those.
        let left = |name: &String| !done.contains(name);
        let first = || exercises.iter().map(|exercise| exercise.name.clone()).find(left);
        let current = current.filter(left).or_else(first).unwrap_or_default();
        let noted = fs::read_to_string(folder.join(NOTED)).unwrap_or_default();
        let split = |line: &str| line.split_once('\t').map(|(name, how)| (name.into(), how.into()));
        let stages = noted.lines().filter_map(split).collect();
        let files = exercises.iter().map(|exercise| folder.join(exercise.source()));
        let stages_files = Stage::all(folder)?
            .into_iter()
            .map(|stage| folder.join("stages").join(stage.name).join("src/main.rs"));
        let idle = files.chain(stages_files).filter_map(|file| minutes_since(&file)).min();
        Ok(Noted { exercises, current, done, stages, idle })
    }

    /// How many exercises and how many stages are done.
    fn count(&self, stages: usize) -> String {
        let done = self.stages.iter().filter(|(_, how)| how == DONE).count();
        format!(
            "{} of {} exercises, {done} of {stages} stages",
            self.done.len(),
            self.exercises.len()
        )
    }
}

/// Shows how far a folder is: this one, or the clone's own. Builds what is begun, exercises and stages, and tries it.
///
/// # Errors
///
/// There are no exercises here, or Cargo can't be started.
pub fn show(folder: &Path) -> Result<()> {
    let exercises = Info::read_in(folder)?.exercises;
    let trying = |name: &str| eprintln!("trying {name} ...");
    let outcomes = Tried::update(folder, &exercises, trying)?;
    let stages = Stage::all(folder)?;
    let mut note = String::new();
    for stage in &stages {
        let outcome = stage.outcome(folder, trying)?;
        note += &format!("{}\t{}\n", stage.name, stage.words(&outcome));
    }
    let file = folder.join(NOTED);
    fs::write(&file, note).with_context(|| format!("write {}", quoted(&file)))?;
    let noted = Noted::read(folder)?;
    tell(&format!("{}\n\n", noted.count(stages.len())))?;
    for (exercise, outcome) in noted.exercises.iter().zip(&outcomes) {
        let is_next = exercise.name == noted.current;
        let how = match outcome {
            Outcome::Fails(_) => "begun, and does not pass".to_owned(),
            // Rustlings has seen it pass, where there was what it takes.
            Outcome::Untried(why) if !noted.done.contains(&exercise.name) => {
                format!("can't be tried here: {}", escaped(why))
            }
            _ if is_next => format!("{} minutes in the plan", exercise.minutes),
            _ => continue,
        };
        tell(&format!("{:16} {how}\n", exercise.name))?;
    }
    for (name, how) in &noted.stages {
        tell(&format!("{name:16} {how}\n"))?;
    }
    Ok(())
}

/// Shows a line for each of several folders, those first that have stood still for longest. Builds nothing.
///
/// # Errors
///
/// There are no exercises in one of them.
pub fn compare(folders: &[PathBuf]) -> Result<()> {
    let mut lines = Vec::new();
    for folder in folders {
        let noted = Noted::read(folder).with_context(|| format!("read {}", quoted(folder)))?;
        ensure!(!noted.exercises.is_empty(), "{} has no exercises", quoted(folder));
        lines.push((noted, folder));
    }
    lines.sort_by_key(|(noted, _)| std::cmp::Reverse(noted.idle));
    for (noted, folder) in lines {
        let stages = Stage::all(folder)?.len();
        let idle = noted.idle.map_or("never".into(), |minutes| format!("{minutes} min ago"));
        let at = if noted.done.len() == noted.exercises.len() { "-" } else { &noted.current };
        tell(&format!(
            "{:32} {:40} at {at:20} saved {idle}\n",
            quoted(folder).to_string(),
            noted.count(stages)
        ))?;
    }
    Ok(())
}

fn minutes_since(file: &Path) -> Option<u64> {
    let saved = fs::metadata(file).ok()?.modified().ok()?;
    Some(SystemTime::now().duration_since(saved).unwrap_or_default().as_secs() / 60)
}
