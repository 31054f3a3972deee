//! A recording as JSON.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::record::{Call, Line, Process, Recording};

/// A run. Nothing is left out of it, and nothing grouped.
#[derive(Serialize)]
struct Run<'a> {
    processes: &'a [Process],
    calls: Vec<Entry<'a>>,
    notes: &'a [String],
}

/// A call, or the end of a process.
#[derive(Serialize)]
struct Entry<'a> {
    /// The process, by its place among the processes.
    process: usize,
    lane: &'a str,
    name: &'a str,
    /// The id of the process as it sees itself.
    pid: i32,
    host_pid: i32,
    call: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    returned: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    new: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner: Option<&'a Line>,
    #[serde(skip_serializing_if = "str::is_empty")]
    man: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    chapter: Option<&'static str>,
}

/// Returns a run as JSON.
///
/// # Errors
///
/// None is known.
pub fn json(recording: &Recording) -> Result<String> {
    let entry = |call| entry(call, recording);
    let run = Run {
        processes: &recording.processes,
        calls: recording.calls.iter().map(entry).collect(),
        notes: &recording.notes,
    };
    serde_json::to_string_pretty(&run).map(|text| text + "\n").context("write JSON")
}

fn entry<'a>(call: &'a Call, recording: &Recording) -> Entry<'a> {
    let process = &recording.processes[call.process];
    Entry {
        process: call.process,
        lane: &call.lane,
        name: &call.name,
        pid: process.pid,
        host_pid: process.host_pid,
        call: call.call,
        text: &call.text,
        returned: call.result.and_then(Result::ok),
        error: call.result.and_then(|result| result.err().map(|errno| format!("{errno:?}"))),
        new: &call.new,
        line: call.line.as_ref(),
        inner: call.inner.as_ref(),
        man: call.man,
        chapter: call.chapter,
    }
}
