//! What the doctor prints, where it can be written.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;

use anyhow::{Context, Result};

/// The first error of standard output. After it nothing more is written.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line to standard output, without its colours where that is no terminal.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::write_line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Writes a line: see [`say`]. [`finish`] tells what has come of it.
pub fn write_line(line: Arguments) {
    let mut failed = FAILED.lock().expect("nothing panics while it is held");
    if failed.is_none() {
        *failed = writeln!(anstream::stdout().lock(), "{line}").err();
    }
}

/// Ends the output.
///
/// # Errors
///
/// What could not be written, such as ENOSPC on a full disk. A reader who has read enough (EPIPE) is no error.
pub fn finish() -> Result<()> {
    match FAILED.lock().expect("nothing panics while it is held").take() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("write to standard output")
        }
        _ => Ok(()),
    }
}
