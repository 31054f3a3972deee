//! What the TODOs ask for, one after the other.

use std::process::ExitCode;

fn main() -> ExitCode {
    conformance::steps_of("03-pid", env!("CARGO_BIN_EXE_03-pid"))
}
