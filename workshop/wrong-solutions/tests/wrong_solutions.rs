//! What the workshop's tests accept, and what they refuse.
//!
//! The exercises fail as they are handed out, the solutions pass and so does all in ../alternatives, and each wrong
//! solution in this directory is refused in words that fit it. The tests that judge are the learners' own.

// A wrong solution is as it is.
#![allow(dead_code, non_snake_case, unused, clippy::all, clippy::undocumented_unsafe_blocks)]

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use conformance::needs::{self, CGROUP};
use conformance::skipped;
use grader::exercise::{NEEDS, NEEDS_A_CGROUP, NEEDS_CGROUP_V2};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use testbed::reading;

mod rtnetlink;

include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// How few wrong solutions of an exercise are not enough.
const TOO_FEW: usize = 2;

/// A learner's file, of which all is true that can be.
struct Case {
    exercise: &'static str,
    candidate: &'static str,
    verdict: Verdict,
    /// What the refusal of a wrong solution says.
    words: &'static [&'static str],
    /// The lines that its error has come from.
    places: &'static [&'static str],
    /// Whether the tests in it, if any, are those of the exercise.
    same_tests: bool,
    /// The exercise's tests, of this file's functions.
    tests: &'static [(&'static str, fn())],
}

/// What the tests say to it.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Passes,
    /// Another right answer than the solution.
    Accepted,
    Fails,
    Refused,
}

/// Stands before the names of an exercise, a candidate and a test, when this program is to run just that one.
const ONE: &str = "--one";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [ONE, exercise, candidate, test] =
        args.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let case =
            CASES.iter().find(|case| case.exercise == exercise && case.candidate == candidate);
        let tests = case.expect("a case").tests;
        tests.iter().find(|(name, _)| *name == test).expect("a test").1();
        return ExitCode::SUCCESS;
    }
    let mut trials: Vec<_> = CASES.iter().map(Case::trial).collect();
    for case in CASES.iter().filter(|case| case.verdict == Verdict::Passes) {
        trials.push(Trial::test(
            format!("{}: has its solution, an alternative and its wrong solutions", case.exercise),
            || complete(case),
        ));
    }
    needs::run(Arguments::from_args(), trials)
}

/// Whether an exercise has what belongs to it.
fn complete(solution: &Case) -> Result<(), Failed> {
    let of_it = |case: &&Case| case.exercise == solution.exercise;
    let wrong = CASES.iter().filter(of_it).filter(|case| case.verdict == Verdict::Refused);
    if !CASES.iter().filter(of_it).any(|case| case.verdict == Verdict::Accepted) {
        return Err("no alternative: another right answer than the solution".into());
    }
    if !solution.same_tests {
        return Err("the tests of the solution are not those of the exercise".into());
    }
    if let Some(mute) = wrong.clone().find(|solution| solution.words.is_empty()) {
        return Err(format!("{}: no `// refused with:`", mute.candidate).into());
    }
    match wrong.count() {
        ..=TOO_FEW => Err("too few wrong solutions".into()),
        _ => Ok(()),
    }
}

impl Case {
    fn trial(&'static self) -> Trial {
        let says = match self.verdict {
            Verdict::Passes => "passes",
            Verdict::Accepted => "is accepted",
            Verdict::Fails => "fails",
            Verdict::Refused => "is refused",
        };
        let candidate = self.candidate.replace('_', " ");
        let name = format!("{}: {candidate} {says}", self.exercise);
        Trial::ignorable_test(name, move || self.judge())
    }

    fn judge(&self) -> Result<Completion, Failed> {
        let (mut passed, mut said) = (0, String::new());
        for (test, _) in self.tests {
            let output = Command::new("/proc/self/exe")
                .args([ONE, self.exercise, self.candidate, test])
                // The lines of so large a program take a second to read.
                .env("RUST_LIB_BACKTRACE", if self.places.is_empty() { "0" } else { "1" })
                .stdin(Stdio::null())
                .output()?;
            passed += usize::from(output.status.success());
            said += &String::from_utf8_lossy(&output.stderr);
        }
        if said.contains(NEEDS_A_CGROUP) {
            return skipped(&format!("{CGROUP}: sudo tests/as-user COMMAND"));
        }
        if said.contains(NEEDS_CGROUP_V2) {
            // No fault of a machine that has cgroup v1, whatever may be left out.
            return Ok(Completion::ignored_with("for cgroup v2 alone"));
        }
        if let Some(lacks) = said.lines().find(|line| line.starts_with(NEEDS)) {
            return skipped(lacks);
        }
        let all = passed == self.tests.len();
        if all != matches!(self.verdict, Verdict::Passes | Verdict::Accepted) {
            return Err(format!("{passed} of {} tests pass\n{said}", self.tests.len()).into());
        }
        // On other machines than the one that it was built on there are no lines.
        let mut places = self.places.iter().filter(|_| Path::new(env!("OUT_DIR")).exists());
        if let Some(line) = places.find(|line| !said.contains(&format!(": {line}\n"))) {
            return Err(
                format!("the error does not say that it has come from {line}\n{said}").into()
            );
        }
        // Whoever runs it: the user whom root becomes may not look where the book is.
        let mut reads = said.lines().filter_map(|line| line.strip_prefix("Read "));
        if let Some(read) = reads.find(|read| !said.contains(&reading::say(read))) {
            return Err(format!("it does not say where the code is of {read}\n{said}").into());
        }
        let is_said = |words: &str| words.split(" | ").any(|words| said.contains(words));
        match self.words.iter().find(|words| !is_said(words)) {
            Some(words) => Err(format!("not refused with: {words}\n{said}").into()),
            None => Ok(Completion::Completed),
        }
    }
}
