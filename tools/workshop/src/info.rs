//! The list of exercises: workshop/info.toml, whose form is that of Rustlings.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use common::quote::quoted;

use crate::names::{did_you_mean, nearest};
use crate::stages::Stage;

/// Where the workshop is in this clone.
pub fn workshop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workshop")
}

/// What stands before each exercise.
const MARK: &str = "[[exercises]]\n";

/// The list.
pub struct Info {
    /// What stands before the first exercise: what Rustlings says in the beginning and in the end.
    pub head: String,
    pub exercises: Vec<Exercise>,
}

/// One of the exercises.
pub struct Exercise {
    pub name: String,
    /// Its folder in `exercises` and in `solutions`.
    pub directory: String,
    /// How long it takes, by the plan.
    pub minutes: u32,
    /// Its lines in the file.
    pub text: String,
}

impl Info {
    /// Reads the list of this clone.
    ///
    /// # Errors
    ///
    /// Those of [`Info::read_in`].
    pub fn read() -> Result<Info> {
        Info::read_in(&workshop())
    }

    /// Reads the list of a folder.
    ///
    /// # Errors
    ///
    /// The file can't be read, or an exercise in it has no name, no directory or no minutes.
    pub fn read_in(folder: &Path) -> Result<Info> {
        let file = folder.join("info.toml");
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", quoted(&file)))?;
        let mut parts = text.split(MARK);
        let head = parts.next().unwrap_or_default().to_owned();
        let exercises = parts.map(Exercise::parse).collect::<Result<_>>()?;
        Ok(Info { head, exercises })
    }

    /// Returns the exercise of this name.
    ///
    /// # Errors
    ///
    /// There is none: those whose names are near are named.
    pub fn exercise(&self, name: &str) -> Result<&Exercise> {
        if let Some(found) = self.exercises.iter().find(|exercise| exercise.name == name) {
            return Ok(found);
        }
        if let Some(stage) = stage(name) {
            bail!(
                "{stage} is a stage to write, and no exercise: in its src/main.rs each TODO says where to read"
            );
        }
        let near = nearest(name, self.exercises.iter().map(|exercise| exercise.name.as_str()));
        let more = if near.is_empty() { ": info.toml lists them" } else { "" };
        bail!("there is no exercise {}{}{more}", quoted(name), did_you_mean(&near))
    }
}

/// Returns the folder of the stage to write that is called by it, by its number, or by its package.
fn stage(name: &str) -> Option<String> {
    let stages = Stage::all(&workshop()).ok()?.into_iter();
    let mut named = stages.filter(|stage| {
        stage.name == name || stage.package == name || stage.name.split('-').next() == Some(name)
    });
    Some(named.next()?.name)
}

impl Exercise {
    fn parse(text: &str) -> Result<Exercise> {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
            let value = line.map(|value| value.trim_matches('"').to_owned());
            value.with_context(|| format!("an exercise of info.toml has no {key}"))
        };
        let text = format!("{MARK}{text}");
        let minutes = value("minutes")?.parse().context("minutes are a number")?;
        Ok(Exercise { name: value("name")?, directory: value("dir")?, minutes, text })
    }

    /// Its file, in a folder with exercises.
    pub fn source(&self) -> PathBuf {
        Path::new("exercises").join(self.file())
    }

    /// Its file, below `exercises` or `solutions`.
    pub fn file(&self) -> PathBuf {
        Path::new(&self.directory).join(format!("{}.rs", self.name))
    }

    /// Returns one of its three hints, by its number.
    pub fn hint(&self, step: u8) -> Option<&str> {
        let all = self.text.split("\"\"\"").nth(1)?.trim();
        all.split("\n\n").find(|hint| hint.starts_with(&format!("{step}. ")))
    }
}
