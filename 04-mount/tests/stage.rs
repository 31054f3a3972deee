//! Stage 04 from outside.

use std::process::ExitCode;

use conformance::{As, Stage, Traits, escape, tests};

const TRAITS: Traits =
    Traits { namespaces: &["mnt", "pid", "uts"], sets_hostname: true, root_directory: true };

fn main() -> ExitCode {
    let tests = tests![
        &[As::Root, As::Rootless] => [its_root_directory_cannot_be_escaped],
    ];
    conformance::stage(TRAITS, env!("CARGO_BIN_EXE_04-mount"), tests)
}

fn its_root_directory_cannot_be_escaped(stage: &Stage) {
    assert!(!escape::escapes(stage));
}
