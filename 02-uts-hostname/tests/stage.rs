//! Stage 02 from outside.

use std::process::ExitCode;

use common::testing::{self, every_stage};

fn main() -> ExitCode {
    testing::main(2, env!("CARGO_BIN_EXE_02-uts-hostname"), every_stage::tests(2))
}
