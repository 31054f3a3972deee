//! Stage 02 from outside.

use std::process::ExitCode;

use conformance::Traits;

const TRAITS: Traits = Traits { namespaces: &["uts"], sets_hostname: true, root_directory: false };

fn main() -> ExitCode {
    conformance::stage(TRAITS, env!("CARGO_BIN_EXE_02-uts-hostname"), Vec::new())
}
