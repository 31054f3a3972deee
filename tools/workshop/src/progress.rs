//! How far somebody is: the exercises, as Rustlings has noted it, and the stages.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use common::quote::quoted;

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
        let first = exercises.first().map(|exercise| exercise.name.clone()).unwrap_or_default();
        // Whoever owns the folder may have written anything there.
        let is_known = |name: &&str| exercises.iter().any(|exercise| exercise.name == **name);
        let current = lines.next().filter(is_known).map_or(first, str::to_owned);
        let done = lines.filter(is_known).map(str::to_owned).collect();
        let noted = fs::read_to_string(folder.join(NOTED)).unwrap_or_default();
        let split = |line: &str| line.split_once('\t').map(|(name, how)| (name.into(), how.into()));
        let stages = noted.lines().filter_map(split).collect();
        let files = exercises.iter().map(|exercise| folder.join("exercises").join(exercise.file()));
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

/// Shows how far a folder is: this one, or the clone's own. Builds the stages that are begun, and tries them.
///
/// # Errors
///
/// There are no exercises here, or Cargo can't be started.
pub fn show(folder: &Path) -> Result<()> {
    let stages = Stage::all(folder)?;
    let mut note = String::new();
    for stage in &stages {
        note += &format!("{}\t{}\n", stage.name, stage.words(&stage.outcome(folder)?));
    }
    let file = folder.join(NOTED);
    fs::write(&file, note).with_context(|| format!("write {}", quoted(&file)))?;
    let noted = Noted::read(folder)?;
    tell(&format!("{}\n\n", noted.count(stages.len())))?;
    let of = |name: &str| noted.exercises.iter().find(|exercise| exercise.name == name);
    if let (true, Some(next)) = (noted.done.len() < noted.exercises.len(), of(&noted.current)) {
        tell(&format!("{:16} {} minutes in the plan\n", next.name, next.minutes))?;
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
