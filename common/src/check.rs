//! The log, and the one place where an error ends a program.

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Error, Result};
use log::{LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;

use crate::diagnosis::diagnose;
use crate::host_facts::HostFacts;
use crate::quote::escaped;
use crate::signals;

/// Sends the log to stderr: warnings and errors, or what the environment variable `RUST_LOG` says (`off`,
/// `error`, `warn`, `info`, `debug`, `trace`). What can't be written there ends no program: see `Lossy`, and SIGXFSZ in
/// setrlimit(2).
pub fn init_logging() {
    signals::outlive_full_files();
    let logger = SimpleLogger::new().with_level(LevelFilter::Warn).env();
    log::set_max_level(logger.max_level());
    log::set_boxed_logger(Box::new(Lossy(logger))).expect("only main sets a logger");
}

/// A log that loses what can't be written, on a full disk or into a pipe that nobody reads. The one in it panics then,
/// and what was still to be cleaned up would stay.
struct Lossy(SimpleLogger);

impl Log for Lossy {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        let _ = panic::catch_unwind(AssertUnwindSafe(|| self.0.log(record)));
    }

    fn flush(&self) {}
}

/// Turns the result of a program into its exit status: an error is logged, in one line that ends with
/// what to do about it where that is known, and gives 1.
///
/// Nothing goes on after an error: `?` brings each one here. (A set-up that goes on after a failed
/// chroot(2) mounts over its host.)
pub fn check(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        log::error!(target: &program_name(), "{}", explained(&error));
        ExitCode::FAILURE
    })
}

/// Logs an error that a program can go on after, in a line as that of [`check`].
pub fn warn(result: Result<()>) {
    if let Err(error) = result {
        log::warn!(target: &program_name(), "{}", explained(&error));
    }
}

/// Returns an error as a line, which ends with what to do about it where that is known.
pub fn explained(error: &Error) -> String {
    // What others have named may hold a newline: this stays one line.
    escaped(&match diagnose(error, &HostFacts::now()) {
        Some(diagnosis) => format!("{error:#}. {diagnosis}"),
        None => format!("{error:#}"),
    })
}

/// The file name of `argv[0]`: `05-user`, or `ns_init` in its second life.
fn program_name() -> String {
    let name = env::args_os().next().unwrap_or_default();
    let file = Path::new(&name).file_name().unwrap_or(&name);
    escaped(&file.to_string_lossy())
}
