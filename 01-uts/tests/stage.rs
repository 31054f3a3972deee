//! Stage 01 from outside.

use std::process::ExitCode;

use conformance::{As, HOSTNAME, Stage, every_stage, hostname, tests};

fn main() -> ExitCode {
    let mut tests = every_stage::tests(1);
    tests.extend(tests![
        &[As::Root, As::Rootless] => [a_hostname_set_inside_stays_inside],
    ]);
    conformance::main(1, env!("CARGO_BIN_EXE_01-uts"), tests)
}

fn a_hostname_set_inside_stays_inside(stage: &Stage) {
    assert_eq!(
        stage.sh("hostname; hostname changed; hostname").ok(),
        format!("{HOSTNAME}\nchanged\n")
    );
    assert_eq!(hostname(), HOSTNAME);
}
