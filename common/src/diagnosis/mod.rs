//! Why a container cannot be started here, and what to type: one table, for the errors of all stages and for
//! `cargo doctor`.
//!
//! A row is chosen by what has failed, by the errno, and by facts about this host. The book's page "When it does
//! not work" has a heading for each row.

mod cause;
mod cgroups;
mod failure;
mod known;
mod limits;
mod namespaces;
mod network;
mod programs;
mod remedies;
mod root_directory;
#[cfg(test)]
mod tests;

use std::fmt;

use anyhow::Error;
pub use cause::Cause;
pub use known::Known;

use crate::host_facts::HostFacts;
use failure::{Failed, Failure};

/// The page of the book with a heading for each cause.
pub const PAGE: &str = "book/src/when-it-does-not-work.md";

/// A cause as it shows on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The name of the cause's heading in the book.
    pub id: &'static str,
    /// The cause in a few words: the heading in the book.
    pub title: &'static str,
    /// Why the kernel, or a check of ours, has said no: a sentence without its full stop.
    pub explanation: String,
    /// What helps, the best first; none where no command does.
    pub remedies: Vec<Remedy>,
    /// Whether root of the machine is spared this.
    pub root_helps: bool,
}

/// A command that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What to type.
    pub command: String,
    /// What that gives up.
    pub gives_up: String,
}

impl fmt::Display for Diagnosis {
    /// Writes what ends the one line of an error.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.explanation)?;
        for (number, remedy) in self.remedies.iter().enumerate() {
            write!(f, "{} `{}`", if number == 0 { ":" } else { " or" }, remedy.command)?;
        }
        write!(f, ". More: `cargo doctor`, and {PAGE}#{}", self.id)
    }
}

/// A row of the table.
struct Row {
    cause: Cause,
    id: &'static str,
    title: &'static str,
    /// Whether this is why. A [`Known`] error names its cause itself.
    is: fn(&Failure, &HostFacts) -> bool,
    explanation: fn(&Failure, &HostFacts) -> String,
    remedies: fn(&Failure, &HostFacts) -> Vec<Remedy>,
    /// Whether root of the machine is spared this.
    root_helps: fn(&Failure, &HostFacts) -> bool,
}

/// Returns all rows. The first that fits is the one, so the special ones are above the general ones.
fn rows() -> impl Iterator<Item = &'static Row> {
    let tables = [
        namespaces::ROWS,
        limits::ROWS,
        programs::ROWS,
        network::ROWS,
        cgroups::ROWS,
        root_directory::ROWS,
    ];
    tables.into_iter().flatten()
}

/// Returns why `error` has come about on this host, where that is known.
pub fn diagnose(error: &Error, facts: &HostFacts) -> Option<Diagnosis> {
    let failure = Failure::of(error)?;
    let row = rows().find(|row| match &failure.failed {
        // To who has no id, all root directories are another user's. The user namespace is what is wrong.
        Failed::Known(known) if facts.without_id && known.cause == Cause::RootOfAnotherUser => {
            row.cause == Cause::UsernsRefused
        }
        Failed::Known(known) => known.cause == row.cause,
        _ => (row.is)(&failure, facts),
    })?;
    Some(Diagnosis {
        id: row.id,
        title: row.title,
        explanation: (row.explanation)(&failure, facts),
        remedies: (row.remedies)(&failure, facts),
        root_helps: (row.root_helps)(&failure, facts),
    })
}
