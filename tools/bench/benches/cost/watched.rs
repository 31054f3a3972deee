//! What it costs to be watched: by lens, and by strace(1).

use std::process::Command;

use anyhow::Result;

use crate::measure::{Candidate, Way, take_turns};
use crate::programs::{LENS, Programs};
use crate::report::Report;

/// The part's name in the tables.
const PART: &str = "watched";

/// A shell that makes many processes, which do little else.
const MANY_PROCESSES: &str = "n=0; while [ $n -lt 200 ]; do (exit 0); n=$((n + 1)); done";

/// Calls as few as those that lens stops for.
const CALLS: &str = "trace=clone,clone3,unshare,mount,pivot_root,execve,exit_group";

/// Measures a stage, and a shell with many processes: alone, and watched. What a filter of system calls spares is between
/// the rows that have one and those that do not.
pub fn measure(programs: &Programs, rounds: usize, report: &mut Report) -> Result<()> {
    let stage = programs.default("05-user")?;
    let lens = programs.default(LENS)?;
    let [stage, lens] = [&stage, &lens].map(|path| path.to_str().expect("it is below /tmp"));
    let lens = [lens, "-o", "/dev/null"];
    let strace = ["strace", "-f", "-o", "/dev/null"];
    let watchers: [(&str, Vec<&str>); 5] = [
        ("alone", vec![]),
        ("lens", [&lens[..], &["--"]].concat()),
        ("lens --no-filter", [&lens[..], &["--no-filter", "--"]].concat()),
        ("strace --seccomp-bpf", [&strace[..], &["--seccomp-bpf", "-e", CALLS]].concat()),
        ("strace", strace.to_vec()),
    ];
    let mut candidates = Vec::new();
    for (group, program) in [
        ("05-user", [stage, "--nsshell", "/bin/true"]),
        ("a shell and 200 processes", ["/bin/sh", "-c", MANY_PROCESSES]),
    ] {
        for (name, watcher) in &watchers {
            let words = [watcher, &program[..]].concat();
            let mut command = Command::new(words[0]);
            command.args(&words[1..]);
            candidates.push(Candidate::new(group, name, "", Way::Program(command)));
        }
    }
    // They take long.
    take_turns(PART, candidates, rounds.div_ceil(4), report)
}
