//! Runs lens, and reads what it has seen.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::{fs, process};

use conformance::{Output, Stage};
use serde_json::Value;

/// What was seen of a run.
pub struct Seen {
    /// The JSON.
    pub run: Value,
    /// What the run's program, and lens, have written, and the status.
    pub output: Output,
}

/// A call, with what is compared of it.
#[derive(Clone, Debug)]
pub struct Call {
    pub process: usize,
    pub name: String,
    pub text: String,
    pub returned: Option<i64>,
    pub error: Option<String>,
    pub new: Vec<String>,
    pub file: String,
    pub line: usize,
    pub lane: String,
    pub pid: i64,
    pub host_pid: i64,
    pub command: String,
}

impl Seen {
    /// Runs a program with these arguments under lens.
    pub fn of<S: AsRef<OsStr>>(
        lens: &Stage,
        options: &[&str],
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = S>,
    ) -> Seen {
        let file = format!("/tmp/seen-{}.json", process::id());
        let mut command = lens.command();
        command.args(["--json", "-o", &file]).args(options).arg("--").arg(program).args(args);
        let output = Output::of(&mut command);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let run = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        Seen { run, output }
    }

    /// Returns all calls, in their order.
    pub fn calls(&self) -> Vec<Call> {
        self.run["calls"].as_array().expect("calls").iter().map(call).collect()
    }

    /// Returns the calls with this name.
    pub fn named(&self, name: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.name == name).collect()
    }

    /// Returns how many processes there were.
    pub fn processes(&self) -> usize {
        self.run["processes"].as_array().expect("processes").len()
    }
}

fn call(value: &Value) -> Call {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let new = value["new"].as_array().into_iter().flatten();
    Call {
        process: value["process"].as_u64().expect("a process") as usize,
        name: text(&value["call"]),
        text: text(&value["text"]),
        returned: value["returned"].as_i64(),
        error: value["error"].as_str().map(String::from),
        new: new.map(text).collect(),
        file: text(&value["line"]["file"]),
        line: value["line"]["line"].as_u64().unwrap_or_default() as usize,
        lane: text(&value["lane"]),
        pid: value["pid"].as_i64().expect("a pid"),
        host_pid: value["host_pid"].as_i64().expect("a pid"),
        command: text(&value["name"]),
    }
}

/// Returns the path by which this program can be executed by others.
pub fn this_program() -> String {
    format!("/proc/{}/exe", process::id())
}

/// Provokes calls under lens.
pub fn provoked(lens: &Stage, what: &[&str]) -> Seen {
    Seen::of(lens, &[], this_program(), ["provoke"].iter().chain(what))
}

/// Returns a stage's program.
pub fn stage(lens: &Stage, name: &str) -> std::path::PathBuf {
    lens.program.with_file_name(name)
}

/// Files of the workspace, as they are built: not everybody who runs tests may look where it is.
macro_rules! sources {
    ($($file:literal),+ $(,)?) => {
        [$(($file, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", $file)))),+]
    };
}

const SOURCES: [(&str, &str); 8] = sources![
    "01-uts/src/main.rs",
    "02-uts-hostname/src/main.rs",
    "03-pid/src/main.rs",
    "04-mount/src/main.rs",
    "05-user/src/main.rs",
    "06-network/src/main.rs",
    "07-ipc/src/main.rs",
    "08-cgroups/src/main.rs",
];

/// Returns a line of a stage's file: lines are counted from 1 on.
pub fn source_line(file: &str, line: usize) -> &'static str {
    let source = SOURCES.iter().find(|(name, _)| *name == file);
    let (_, text) = source.unwrap_or_else(|| panic!("{file} is not among the tests' sources"));
    text.lines().nth(line - 1).unwrap_or_else(|| panic!("{file} has no line {line}"))
}

/// Runs a command quietly.
pub fn quietly(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
