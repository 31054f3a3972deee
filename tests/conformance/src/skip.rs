//! Tests that cannot run on a machine, and what they need.

use std::path::PathBuf;
use std::{env, process};

use libtest_mimic::{Completion, Failed};

/// The exit status of a test that cannot run on this machine, as in automake.
pub(crate) const SKIPPED: u8 = 77;

/// Ends a test that cannot run on this machine, with the reason. With `TEST_NO_SKIP` it fails.
pub fn skip(reason: &str) -> ! {
    eprintln!("{reason}");
    process::exit(SKIPPED.into())
}

/// Returns that a test cannot run on this machine, or, with `TEST_NO_SKIP`, that it has failed.
pub fn skipped(reason: &str) -> Result<Completion, Failed> {
    if env::var_os("TEST_NO_SKIP").is_some() {
        Err(Failed::from(format!("not skipped, as TEST_NO_SKIP is set: {reason}")))
    } else {
        Ok(Completion::ignored_with(reason))
    }
}

/// Returns the path of `program`, found in `PATH`, or skips the test.
pub fn need(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| skip(&format!("needs the program {program}")))
}

/// Whether `program` is in `PATH`.
pub fn has(program: &str) -> bool {
    find(program).is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}
