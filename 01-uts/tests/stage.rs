//! Stage 01 from outside.

use std::process::ExitCode;

use conformance::{As, HOSTNAME, Stage, Traits, hostname, tests};

const TRAITS: Traits = Traits { namespaces: &["uts"], sets_hostname: false, root_directory: false };

fn main() -> ExitCode {
    let tests = tests![
        &[As::Root, As::Rootless] => [a_hostname_set_inside_stays_inside],
    ];
    conformance::stage(TRAITS, env!("CARGO_BIN_EXE_01-uts"), tests)
}

fn a_hostname_set_inside_stays_inside(stage: &Stage) {
    assert_eq!(
        stage.sh("hostname; hostname changed; hostname").ok(),
        format!("{HOSTNAME}\nchanged\n")
    );
    assert_eq!(hostname(), HOSTNAME);
}
