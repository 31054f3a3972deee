//! Stage 04 from outside.

use std::process::ExitCode;

use conformance::{As, Stage, escape, every_stage, tests};

fn main() -> ExitCode {
    let mut tests = every_stage::tests(4);
    tests.extend(tests![
        &[As::Root, As::Rootless] => [its_root_directory_cannot_be_escaped],
    ]);
    conformance::main(4, env!("CARGO_BIN_EXE_04-mount"), tests)
}

fn its_root_directory_cannot_be_escaped(stage: &Stage) {
    assert!(!escape::escapes(stage));
}
