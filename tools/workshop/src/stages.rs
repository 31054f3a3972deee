//! The stages to write, in a learner's folder or in this clone: which there are, which of them somebody has begun, and how
//! far they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use common::quote::quoted;

use crate::info::workshop;

/// A stage to write.
pub struct Stage {
    /// Its folder, as in `03-pid`.
    pub name: String,
    /// The name of its package, as in `pid`.
    pub package: String,
    /// Where it is.
    directory: PathBuf,
    /// The highest number of a `TODO` in it, as it was handed out.
    todos: u32,
}

/// How far a stage is.
pub enum Outcome {
    NotBegun,
    /// The number of the first `TODO` that is not there, and what it asks for.
    Todo(String),
    /// It can't be built, or its tests can't run.
    Broken(String),
    Done,
}

impl Stage {
    /// Returns the stages below a folder with exercises, in their order.
    ///
    /// # Errors
    ///
    /// A file can't be read.
    pub fn all(folder: &Path) -> Result<Vec<Stage>> {
        let directory = folder.join("stages");
        let Ok(entries) = fs::read_dir(&directory) else { return Ok(Vec::new()) };
        let mut stages = Vec::new();
        for entry in entries {
            let directory = entry.with_context(|| format!("read {}", quoted(&directory)))?.path();
            let manifest = read(&directory.join("Cargo.toml"))?;
            let package = manifest.lines().find_map(|line| line.strip_prefix("name = "));
            let package = package.context("a package has a name")?.trim_matches('"').to_owned();
            let name = directory.file_name().context("no name")?.to_string_lossy().into_owned();
            let todos = highest_todo(&read(&workshop().join("stages").join(&name).join(MAIN))?);
            stages.push(Stage { name, package, directory, todos });
        }
        stages.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(stages)
    }

    /// Whether somebody has changed more than comments. A stage is handed out as the real one before it, with comments.
    ///
    /// # Errors
    ///
    /// A file can't be read.
    fn is_begun(&self) -> Result<bool> {
        let number: u32 = self.name.get(..2).unwrap_or_default().parse().context("a number")?;
        let clone = workshop().join("..");
        let before = format!("{:02}-", number - 1);
        let real = fs::read_dir(&clone).context("read this clone")?.flatten();
        let before = real
            .map(|entry| entry.path())
            .find(|path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&before))
            })
            .context("there is a stage before")?;
        let code = |text: &str| {
            text.lines().filter(|line| !line.trim_start().starts_with("// ")).collect::<String>()
        };
        Ok(code(&read(&self.directory.join(MAIN))?) != code(&read(&before.join(MAIN))?))
    }

    /// Builds it, and tries what its `TODO`s ask for, if somebody has begun it.
    ///
    /// - `folder`: where the workspace is.
    /// - `tell`: is called with its name before.
    ///
    /// # Errors
    ///
    /// Cargo can't be started, or a file can't be read.
    pub fn outcome(&self, folder: &Path, tell: impl Fn(&str)) -> Result<Outcome> {
        if !self.is_begun()? {
            return Ok(Outcome::NotBegun);
        }
        tell(&self.name);
        let mut cargo = cargo(folder);
        cargo.args(["test", "-q", "-p", &self.package, "--test", "by-steps"]);
        let output = cargo.output().context("start cargo")?;
        if output.status.success() {
            return Ok(Outcome::Done);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let first = said.lines().find(|line| line.starts_with("TODO "));
        let error = said.lines().find(|line| line.starts_with("error"));
        Ok(first.map_or_else(
            || Outcome::Broken(error.unwrap_or("its tests can't be run").into()),
            |line| Outcome::Todo(line.trim_start_matches("TODO ").into()),
        ))
    }

    /// Says it in some words.
    pub fn words(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::NotBegun => "not begun".into(),
            Outcome::Todo(what) => format!("of {} TODOs next is {what}", self.todos),
            Outcome::Broken(why) => why.clone(),
            Outcome::Done => DONE.into(),
        }
    }
}

/// The words for what is done.
pub const DONE: &str = "done";

/// The file to write in, in the folder of a stage.
const MAIN: &str = "src/main.rs";

/// Returns a command that starts the Cargo which has started this program, in a folder, with no input.
pub fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(folder).stdin(Stdio::null());
    cargo
}

fn highest_todo(text: &str) -> u32 {
    let numbers =
        text.split("TODO ").skip(1).filter_map(|rest| rest.split(':').next()?.parse().ok());
    numbers.max().unwrap_or_default()
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("read {}", quoted(file)))
}
