//! What was seen of a run.

use nix::errno::Errno;
use serde::Serialize;

use crate::calls::Meaning;

/// A run: its processes, and their calls in the order in which they were made.
#[derive(Debug, Default)]
pub struct Recording {
    /// The processes, in the order in which they were seen first. The first is the launcher.
    pub processes: Vec<Process>,
    /// The calls.
    pub calls: Vec<Call>,
    /// What a reader of the calls has to know, a sentence each.
    pub notes: Vec<String>,
}

/// A process that was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Process {
    /// Its id as this program sees it.
    pub host_pid: i32,
    /// Its id as it sees itself.
    pub pid: i32,
    /// Where it is when it ends.
    pub lane: String,
    /// Its name when it began.
    pub name: String,
    /// The process that made it, by its place in [`Recording::processes`].
    pub parent: Option<usize>,
    /// The call that made it, by its place in [`Recording::calls`].
    pub made_by: Option<usize>,
}

/// A call that was made, or the end of a process.
#[derive(Clone, Debug)]
pub struct Call {
    /// The process that has made it, by its place in [`Recording::processes`].
    pub process: usize,
    /// Where the process was.
    pub lane: String,
    /// The name of the thread that has made it.
    pub name: String,
    /// The name of the call.
    pub call: &'static str,
    /// The call and its arguments.
    pub text: String,
    /// What it has returned: none when it has not.
    pub result: Option<Result<i64, Errno>>,
    /// What the number is that it has returned.
    pub meaning: Meaning,
    /// The kinds of namespaces that the process, or the one that it has made, is in since then.
    pub new: Vec<&'static str>,
    /// The line of the program's own source that has made the call.
    pub line: Option<Line>,
    /// The same in the crates of the workspace that a stage calls, if the call was made there.
    pub inner: Option<Line>,
    /// The man page.
    pub man: &'static str,
    /// The place in the book: a chapter, and the id of a heading.
    pub chapter: Option<&'static str>,
}

/// The name that the end of a process is recorded by.
pub const EXIT: &str = "exit";

/// The name of a call that the table does not have.
pub const OTHER: &str = "other";

/// A place in a program's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The function, without its crate and module.
    pub function: String,
    /// The file, from the folder of its crate on: `05-user/src/main.rs`.
    pub file: String,
    /// The line, from 1 on.
    pub line: u32,
}

impl Call {
    /// Returns what the call has returned, to show behind it: nothing where that says nothing.
    pub fn returned(&self) -> String {
        match (self.result, self.meaning) {
            (Some(Err(errno)), _) => format!("= {errno:?}"),
            (Some(Ok(value)), Meaning::Number) => format!("= {value}"),
            (Some(Ok(_)), _) => String::new(),
            (None, _) if self.call == EXIT => String::new(),
            (None, _) => "= ?".into(),
        }
    }

    /// Whether the call has failed.
    pub fn failed(&self) -> bool {
        matches!(self.result, Some(Err(_)))
    }
}
