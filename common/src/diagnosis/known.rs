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

    /// Its cause.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Sets the command that helps, as [`Known::remedy`] does, where there is none yet.
    pub(crate) fn or_remedy(&mut self, command: String) {
        self.command.get_or_insert(command);
    }

    /// Sets the command that helps. `{package}` in it stands for the stage, as `cargo run -p` takes it, and
    /// `{run}` for `run`, or for the alias that the stage has to be started by. Several are joined by ` && `, and one for root
    /// begins with `sudo `. In a path that was [quoted](crate::quote::quoted) all that stands for itself.
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
