//! Stage 02 from outside.

use std::process::ExitCode;

use conformance::every_stage;

fn main() -> ExitCode {
    conformance::main(2, env!("CARGO_BIN_EXE_02-uts-hostname"), every_stage::tests(2))
}
