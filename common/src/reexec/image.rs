//! Strings as execve(2) takes them.

use std::ffi::{CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;

/// Path, arguments and environment of a program. All of it is in memory before the clone.
pub(super) struct Image {
    pub(super) program: CString,
    pub(super) args: Strings,
    pub(super) env: Strings,
}

impl Image {
    /// Executes the program. Returns only on failure. Makes only async-signal-safe calls.
    pub(super) fn execute(&self) -> Errno {
        // SAFETY: both arrays end with a null pointer, and live as long as their strings: `self`.
        unsafe { libc::execve(self.program.as_ptr(), self.args.as_ptr(), self.env.as_ptr()) };
        Errno::last()
    }
}

/// An array of C strings with a null pointer at its end.
pub(super) struct Strings {
    _owner: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Strings {
    pub(super) fn new(strings: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Strings> {
        let owner =
            strings.into_iter().map(|string| c_string(string)).collect::<Result<Vec<_>>>()?;
        let pointers = owner.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Ok(Strings { _owner: owner, pointers })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

/// Returns a string as C has them.
///
/// # Errors
///
/// There is a zero byte in it.
pub(super) fn c_string(string: impl AsRef<OsStr>) -> Result<CString> {
    let string = string.as_ref();
    CString::new(string.as_bytes()).with_context(|| format!("a zero byte in {string:?}"))
}
