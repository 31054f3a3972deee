//! The list of exercises: workshop/info.toml, whose form is that of Rustlings.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::quote::quoted;

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
    /// Its lines in the file.
    pub text: String,
}

impl Info {
    /// Reads the list of this clone.
    ///
    /// # Errors
    ///
    /// The file can't be read, or an exercise in it has no name or no directory.
    pub fn read() -> Result<Info> {
        let file = workshop().join("info.toml");
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
    /// There is none.
    pub fn exercise(&self, name: &str) -> Result<&Exercise> {
        let found = self.exercises.iter().find(|exercise| exercise.name == name);
        found.with_context(|| {
            format!("there is no exercise {}: see workshop/info.toml", quoted(name))
        })
    }
}

impl Exercise {
    fn parse(text: &str) -> Result<Exercise> {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
            let value = line.map(|value| value.trim_matches('"').to_owned());
            value.with_context(|| format!("an exercise of info.toml has no {key}"))
        };
        let text = format!("{MARK}{text}");
        Ok(Exercise { name: value("name")?, directory: value("dir")?, text })
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
