//! A plan for a class: a file of workshop/plans, with the name of an exercise in each line. After a comma it says that the
//! exercise is left out when time runs short.

use std::fs;

use anyhow::{Context, Error, Result, anyhow, ensure};
use common::quote::quoted;

use crate::info::{Exercise, Info, workshop};

/// What stands after the name of an exercise that can be left out.
const IF_THERE_IS_TIME: &str = ", if there is time";

/// The error of a name that no plan has: it says which there are.
pub fn unknown(name: &str) -> Error {
    let plans = fs::read_dir(workshop().join("plans")).into_iter().flatten().flatten();
    let mut known: Vec<_> =
        plans.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    known.sort();
    anyhow!("there is no plan {}: there are {}", quoted(name), known.join(", "))
}

/// A plan.
pub struct Plan<'a> {
    name: String,
    /// The exercises, in the order of the list, and whether each can be left out.
    pub exercises: Vec<(&'a Exercise, bool)>,
}

impl<'a> Plan<'a> {
    /// Reads a plan.
    ///
    /// # Errors
    ///
    /// There is none of this name, or there is no such exercise.
    pub fn read(name: &str, info: &'a Info) -> Result<Plan<'a>> {
        let plans = workshop().join("plans");
        ensure!(!name.contains('/'), "the name of a plan has no slash: {}", quoted(name));
        let Ok(text) = fs::read_to_string(plans.join(name)) else {
            return Err(unknown(name));
        };
        let line = |line: &str| {
            let (name, can_wait) = match line.strip_suffix(IF_THERE_IS_TIME) {
                Some(name) => (name, true),
                None => (line, false),
            };
            Ok((info.exercise(name)?, can_wait))
        };
        let exercises = text.lines().map(line).collect::<Result<_>>()?;
        Ok(Plan { name: name.into(), exercises })
    }

    /// Returns an info.toml in which what Rustlings says first is about this plan.
    ///
    /// # Errors
    ///
    /// The text has no such words.
    pub fn welcome(&self, info: &str) -> Result<String> {
        const BEGIN: &str = "welcome_message = \"\"\"\n";
        let (before, rest) = info.split_once(BEGIN).context("info.toml has a welcome_message")?;
        let minutes: u32 = self.exercises.iter().map(|(exercise, _)| exercise.minutes).sum();
        let mut said = format!(
            "The plan {}: {} exercises, and {} h {} min to write in.\n",
            self.name,
            self.exercises.len(),
            minutes / 60,
            minutes % 60
        );
        let can_wait = self.exercises.iter().filter(|(_, can_wait)| *can_wait);
        let can_wait: Vec<_> = can_wait.map(|(exercise, _)| exercise.name.as_str()).collect();
        if !can_wait.is_empty() {
            said += &format!("If time runs short, jump over\n    {}\n", can_wait.join(", "));
            said += "with `l` for the list, the arrow keys, and `c` to continue there.\n";
        }
        Ok(format!("{before}{BEGIN}{said}\n{rest}"))
    }
}
