//! The difference between the code of two stages.

use std::io::ErrorKind;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::program::workspace;

/// Shows the difference between the sources of two stages: with git(1), or without it with diff(1). Returns its
/// status: 0 for none, 1 for some.
///
/// # Errors
///
/// Neither can be executed.
pub fn diff(old: &str, new: &str) -> Result<ExitCode> {
    let workspace = workspace().context("find the workspace")?;
    let [old, new] = [old, new].map(|stage| format!("{stage}/src"));
    let run = |program: &str, options: &[&str]| {
        Command::new(program).args(options).args([&old, &new]).current_dir(&workspace).status()
    };
    let status = match run("git", &["diff", "--no-index"]) {
        Err(error) if error.kind() == ErrorKind::NotFound => run("diff", &["-ru"]),
        result => result,
    };
    let status = status.context("run git, or diff")?;
    Ok(ExitCode::from(status.code().map_or(2, |code| code as u8)))
}
