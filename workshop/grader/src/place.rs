//! Where in a learner's file an error has come from: the lines with the `?` that have handed it on. An error number alone
//! says neither which of the calls it is of, nor where that is.

use std::backtrace::Backtrace;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::Error;

/// What begins the tests of an exercise.
const TESTS: &str = "mod tests {\n";

/// The environment variable that Rust's library looks at.
const VARIABLE: &str = "RUST_LIB_BACKTRACE";

/// The learner's file. It is read before root becomes an ordinary user, and before there is a host: from there on a
/// clone in root's home is out of reach, and the program that is run is, too.
pub(crate) struct Source {
    /// As the compiler names it: from the package on, where Cargo starts the tests.
    file: &'static str,
    /// What stands in it before the tests.
    code: String,
}

impl Source {
    /// Reads a file.
    pub(crate) fn read(file: &'static str) -> Source {
        if is_wanted() {
            // Once, for all processes that come from this one: it reads what the compiler has noted.
            let _ = Backtrace::force_capture().to_string();
        }
        let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
        let text = fs::read_to_string(Path::new(&package).join(file)).unwrap_or_default();
        Source { file, code: text.split(TESTS).next().unwrap_or_default().to_owned() }
    }

    /// Returns the lines in which an error was made, or handed on: the innermost first.
    pub(crate) fn lines(&self, error: &Error) -> Vec<usize> {
        let backtrace = error.backtrace().to_string();
        let place = |line: &str| {
            let mut parts = line.trim().strip_prefix("at ")?.rsplitn(3, ':');
            let number = parts.nth(1)?.parse().ok()?;
            parts.next()?.ends_with(self.file).then_some(number)
        };
        let mut lines: Vec<usize> = backtrace.lines().filter_map(place).collect();
        lines.dedup();
        lines
    }

    /// Returns what stands in these lines, but for those of the tests: a line for each.
    pub(crate) fn show(&self, lines: &[usize]) -> String {
        let code: Vec<_> = self.code.lines().collect();
        let shown = lines.iter().filter_map(|number| {
            let line = code.get(number.checked_sub(1)?)?;
            Some(format!("\n  line {number}: {}", line.trim()))
        });
        shown.collect()
    }
}

/// Has the errors of this process remember where they were made, unless its environment says that they are not to.
pub(crate) fn remember() {
    if is_wanted() {
        // SAFETY: this process has one thread.
        unsafe { env::set_var(VARIABLE, "1") };
    }
}

/// Has a program that is about to be started do without.
pub(crate) fn leave_out(command: &mut Command) {
    command.env(VARIABLE, "0");
}

/// Whether the environment lets lines be found.
pub(crate) fn is_wanted() -> bool {
    env::var_os(VARIABLE).is_none_or(|value| value != "0")
}
