//! An error whose cause is known where it arises.

use std::error::Error as StdError;
use std::fmt;

use super::Cause;

/// An error whose cause is known where it arises.
#[derive(Debug)]
pub struct Known {
    pub(super) cause: Cause,
    said: String,
    pub(super) command: Option<String>,
}

impl Known {
    /// Returns an error.
    ///
    /// - `cause`: why.
    /// - `said`: what is wrong.
    pub fn new(cause: Cause, said: impl Into<String>) -> Known {
        Known { cause, said: said.into(), command: None }
    }

    /// Sets the command that helps. `{package}` in it stands for the stage, as `cargo run -p` takes it.
    pub fn remedy(self, command: impl Into<String>) -> Known {
        Known { command: Some(command.into()), ..self }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl StdError for Known {}
