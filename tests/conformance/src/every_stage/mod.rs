//! The tests that every stage has to pass, from the stage on that promises what they are about.

mod beside_others;
mod command_line;
mod ends;
mod inside;
mod on_a_terminal;
mod root_directory;
mod session;

use nix::unistd::Pid;

use crate::{Test, Traits, gets, probe};

/// Returns the tests for a stage of these traits.
pub(crate) fn tests(traits: &Traits) -> Vec<Test> {
    let subjects = [
        command_line::tests,
        ends::tests,
        inside::tests,
        root_directory::tests,
        on_a_terminal::tests,
        session::tests,
        beside_others::tests,
    ];
    subjects.into_iter().flat_map(|tests| tests(traits)).collect()
}

/// A script that says so when it runs, and then waits, without a child.
const WAIT: &str = "echo ready; exec sleep 1000";

/// Asserts that the stage has left no process: all there are now were there `before`.
#[track_caller]
fn assert_no_process_but(before: &[Pid]) {
    let left = || -> Vec<_> {
        let mut processes = probe::processes();
        processes.retain(|pid| !before.contains(pid));
        processes.into_iter().map(|pid| (pid, probe::read(pid, "cmdline"))).collect()
    };
    if !gets(|| left().is_empty()) {
        panic!("these processes have not ended: {:?}", left());
    }
}
