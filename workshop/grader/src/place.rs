//! Where in a learner's file an error has come from: the lines with the `?` that have handed it on. An error number alone
//! says neither which of the calls it is of, nor where that is.

use std::backtrace::Backtrace;
use std::path::Path;
use std::{env, fs};

use anyhow::Error;

/// What begins the tests of an exercise.
const TESTS: &str = "mod tests {\n";

/// The environment variable that Rust's library looks at.
const VARIABLE: &str = "RUST_LIB_BACKTRACE";

/// Has the errors of this process remember where they were made, unless its environment says that they are not to.
pub(crate) fn remember() {
    if env::var_os(VARIABLE).is_some_and(|value| value == "0") {
        return;
    }
    // SAFETY: this process has one thread.
    unsafe { env::set_var(VARIABLE, "1") };
    // Once, for all processes that come from this one: it reads what the compiler has noted, and where an error is made
    // the files may be out of reach.
    let _ = Backtrace::force_capture().to_string();
}

/// Returns the lines of a file in which an error was made, or handed on: the innermost first.
pub(crate) fn lines(error: &Error, file: &str) -> Vec<usize> {
    let backtrace = error.backtrace().to_string();
    let place = |line: &str| {
        let mut parts = line.trim().strip_prefix("at ")?.rsplitn(3, ':');
        let number = parts.nth(1)?.parse().ok()?;
        parts.next()?.ends_with(file).then_some(number)
    };
    let mut lines: Vec<usize> = backtrace.lines().filter_map(place).collect();
    lines.dedup();
    lines
}

/// Returns what stands in these lines, but for those of the tests: a line for each.
pub(crate) fn show(lines: &[usize], file: &str) -> String {
    // As the compiler names it: from the package on, where Cargo starts the tests.
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let text = fs::read_to_string(Path::new(&package).join(file)).unwrap_or_default();
    let code = text.split(TESTS).next().unwrap_or_default();
    let code: Vec<_> = code.lines().collect();
    let shown = lines.iter().filter_map(|number| {
        let line = code.get(number.checked_sub(1)?)?;
        Some(format!("\n  line {number}: {}", line.trim()))
    });
    shown.collect()
}
