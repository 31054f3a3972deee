//! A stage that somebody is writing: what its `TODO`s ask for is tried one after the other, and the first that is not
//! there is shown alone, with what the kernel shows, what it should show, and where to read.

mod dev;
mod stages;

use std::fmt::Display;
use std::process::{self, ExitCode};

use crate::{Stage, Test};

/// What a `TODO` of a stage asks for, as it is seen from outside.
pub(crate) struct Step {
    /// The numbers of the `TODO`s, as in `1 and 2`.
    pub(crate) todo: &'static str,
    pub(crate) read: &'static str,
    pub(crate) test: Test,
}

/// Makes a list of steps: `steps![traits, "1" "uts_namespaces(7)" => a_sentence, ...]`.
macro_rules! steps {
    ($traits:expr, $($todo:literal $read:literal => $test:path),+ $(,)?) => {
        vec![$(Step {
            todo: $todo,
            read: $read,
            test: Test::new(stringify!($test), $test, $traits.users()),
        }),+]
    };
}
use steps;

/// Tries what the `TODO`s of a stage to write ask for. The only thing in the `main` of a test program that has
/// `harness = false`.
///
/// - `stage`: the stage's folder, as in `02-uts-hostname`.
/// - `program`: what Cargo has built, `env!("CARGO_BIN_EXE_...")`.
pub fn steps_of(stage: &str, program: &str) -> ExitCode {
    let Some((traits, steps)) = stages::of(stage) else {
        eprintln!("no steps are known for {stage}");
        return ExitCode::FAILURE;
    };
    crate::harness::try_steps(traits, program, steps)
}

/// Ends the test with what is wrong, unless it is as it should be.
#[track_caller]
fn should_be(what: &str, value: impl Display, expected: impl Display) {
    let (value, expected) = (value.to_string(), expected.to_string());
    if value != expected {
        refuse(what, &value, "", &expected);
    }
}

/// Ends the test with what is wrong, unless this is in it.
#[track_caller]
fn should_have(what: &str, value: impl Display, part: impl Display) {
    let (value, part) = (value.to_string(), part.to_string());
    if !value.contains(&part) {
        refuse(what, &value, "something with ", &part);
    }
}

/// Ends the test with what is wrong, unless it is something else.
#[track_caller]
fn should_not_be(what: &str, value: impl Display, other: impl Display) {
    let (value, other) = (value.to_string(), other.to_string());
    if value == other {
        refuse(what, &value, "not ", &other);
    }
}

fn refuse(what: &str, value: &str, relation: &str, expected: &str) -> ! {
    eprintln!("{}", testbed::wrong(what, value, relation, expected));
    process::exit(1)
}

/// Runs a script in the container, and returns all that is said.
fn says(stage: &Stage, script: &str) -> String {
    all_of(stage.sh(script))
}

/// As [`says`], with other arguments.
fn says_with(stage: &Stage, args: &[&str]) -> String {
    all_of(stage.run(args))
}

fn all_of(output: crate::Output) -> String {
    format!("{}{}", output.stdout, output.stderr).trim_end().to_owned()
}
