//! Stage 06 from outside.

use std::process::ExitCode;

use common::testing::{self, every_stage};

fn main() -> ExitCode {
    testing::main(6, env!("CARGO_BIN_EXE_06-network"), every_stage::tests(6))
}
