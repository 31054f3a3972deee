//! A child of a process that has one thread.

use std::ffi::CStr;
use std::panic::{self, AssertUnwindSafe};
use std::process::{self, ExitCode};

use anyhow::{Context, Result};
use common::check::explained;
use common::reexec;
use nix::sys::prctl;
use nix::unistd::{ForkResult, Pid, fork};

/// A process that runs a function, and ends.
pub struct Child(Pid);

impl Child {
    /// Forks: the child runs `life` and ends with the exit status that it returns, or with 1 and a line on standard
    /// error when it returns an error.
    ///
    /// - `name`: what ps(1) shows for it, and for what it forks.
    ///
    /// # Errors
    ///
    /// fork(2).
    pub fn fork(name: &CStr, life: impl FnOnce() -> Result<ExitCode>) -> Result<Child> {
        // SAFETY: no other thread of this process is in the middle of anything: there is none, or it is libtest's,
        // which waits for the one test.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(Child(child)),
            ForkResult::Child => {
                // Nothing may unwind into what the parent was doing.
                let status = panic::catch_unwind(AssertUnwindSafe(|| {
                    prctl::set_name(name).context("set the name of the process")?;
                    life()
                }));
                let code = match status {
                    Ok(Ok(code)) => i32::from(code != ExitCode::SUCCESS),
                    Ok(Err(error)) => {
                        eprintln!("{}", explained(&error));
                        1
                    }
                    Err(_) => 1,
                };
                process::exit(code)
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.0
    }

    /// Waits for its end, and returns its exit status.
    ///
    /// # Errors
    ///
    /// wait(2).
    pub fn wait(self) -> Result<ExitCode> {
        Ok(reexec::wait_for(Some(self.0)).context("wait for a child")?.1)
    }
}
