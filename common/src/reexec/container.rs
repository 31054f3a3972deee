//! A container's life as its parent sees it: created, running, ended. The words are OCI's:
//! <https://github.com/opencontainers/runtime-spec/blob/main/runtime.md>, "Lifecycle".

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::ptr;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, write};

use super::failure::{Call, REPORT_SIZE, Step};
use crate::signals;
use crate::terminal::Terminal;

/// A child that has its namespaces and id maps, and waits just before execve(2). Dropped, it is killed.
#[derive(Debug)]
pub struct Created {
    pub(super) program: PathBuf,
    /// None once it is started.
    pub(super) child: Option<Running>,
    pub(super) release: OwnedFd,
    pub(super) outcome: OwnedFd,
}

impl Created {
    /// The child's process id, as its parent sees it.
    pub fn pid(&self) -> Pid {
        self.child.as_ref().expect("only start() takes the child").pid
    }

    /// Lets the child run, and returns when it executes its program.
    ///
    /// # Errors
    ///
    /// execve(2), such as ENOENT for a program that does not exist. The child is gone then.
    pub fn start(mut self) -> Result<Running> {
        // Fails when the child has been killed. Then so says its exit status.
        let _ = write(&self.release, &[1]);
        let mut report = Vec::new();
        File::from(self.outcome.try_clone().context("copy a descriptor")?)
            .read_to_end(&mut report)
            .context("hear from the child")?;
        // The other end closes with execve, or with the child's death.
        let Ok(report) = <[u8; REPORT_SIZE]>::try_from(report) else {
            signals::leave_job_control()?;
            return Ok(self.child.take().expect("only start() takes the child"));
        };
        let (call, errno) = Call::from_report(report);
        Err(errno).context(match call {
            Call::Execve => Step::Execve(self.program.clone()),
            call => Step::Prepare(call),
        })
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            signals::forget();
            // Both fail only if the child is gone, which is what they are for.
            let _ = kill(child.pid, Signal::SIGKILL);
            let _ = wait_for(Some(child.pid));
            child.take_terminal_back();
        }
    }
}

/// A child that executes its program.
pub struct Running {
    pub(super) pid: Pid,
    pub(super) terminal: Option<Terminal>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Running").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Running {
    /// The child's process id, as its parent sees it.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for the child's end, takes the terminal back from it, and returns its exit status, or 128+n
    /// when signal n has ended it.
    ///
    /// # Errors
    ///
    /// wait(2).
    pub fn wait(self) -> Result<ExitCode> {
        // WNOWAIT leaves a zombie, so that its id is no one else's while a signal may still be passed on.
        // SAFETY: a null pointer stands for a siginfo_t that nobody wants: waitid(2), notes.
        Errno::result(unsafe {
            let flags = libc::WEXITED | libc::WNOWAIT;
            libc::waitid(libc::P_PID, self.pid.as_raw() as libc::id_t, ptr::null_mut(), flags)
        })
        .context("wait for the child")?;
        signals::forget();
        let (_, status) = wait_for(Some(self.pid)).context("reap the child")?;
        self.take_terminal_back();
        Ok(status)
    }

    fn take_terminal_back(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.take_back(signals::have_ended_it());
        }
    }
}

/// Waits for the end of a child, of any one where `child` is `None`. Returns its process id, and the exit
/// status that a shell would give for its end: its own, or 128+n when signal n has ended it.
///
/// (The crate nix knows only 31 signals, and returns an error when another one has ended a child.)
///
/// # Errors
///
/// wait(2): ECHILD when there is no such child.
pub fn wait_for(child: Option<Pid>) -> nix::Result<(Pid, ExitCode)> {
    let mut status = 0;
    let pid = child.map_or(-1, Pid::as_raw);
    // SAFETY: waitpid(2) writes to the one pointer that it gets, which is to this function's variable.
    let pid = Errno::result(unsafe { libc::waitpid(pid, &mut status, 0) })?;
    let code = if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    };
    // Only the low 8 bits of a status reach a parent, and no signal has a number above 64.
    Ok((Pid::from_raw(pid), ExitCode::from(code as u8)))
}
