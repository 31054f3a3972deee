//! A container's life as its parent sees it: created, running, ended. The words are OCI's:
//! <https://github.com/opencontainers/runtime-spec/blob/main/runtime.md>, "Lifecycle".

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Error, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, read, write};

use super::child::{GO, GO_IN_FOREGROUND};
use super::failure::{Call, REPORT_SIZE, Step};
use super::guard::Guard;
use crate::signals::{self, Blocked};
use crate::terminal::{Session, leader};

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
    /// execve(2), such as ENOENT for a program that does not exist; fork(2), EAGAIN where the limit of processes is
    /// reached. The child is gone then.
    pub fn start(mut self) -> Result<Running> {
        let in_foreground = self.child.as_mut().is_some_and(Running::enter_terminal);
        if let Some(child) = &mut self.child {
            // First: where the limit of processes leaves room for one, it is not to be the container's.
            child.be_guarded()?;
        }
        let word = if in_foreground { GO_IN_FOREGROUND } else { GO };
        // Fails when the child has been killed. Then so says its exit status.
        let _ = write(&self.release, &[word]);
        if let Some(failure) = self.hear().context("hear from the child")? {
            return Err(failure);
        }
        let child = self.child.take().expect("only start() takes the child");
        if child.session.is_none() && !leader::is_leader() {
            signals::leave_interrupts().context("handle SIGINT")?;
        }
        Ok(child)
    }

    /// Waits until the child has executed its program or has ended, when the pipe's other end closes, and returns what
    /// it has reported.
    fn hear(&self) -> nix::Result<Option<Error>> {
        while !self.has_said(signals::PAUSE)? {
            // Where there is a session all signals are blocked, and the child may have been stopped on its way.
            signals::obey_pending()?;
        }
        self.report()
    }

    /// What the child has reported so far: None where nothing has failed.
    pub(super) fn reported(&self) -> Option<Error> {
        if self.has_said(0).ok()? { self.report().ok()? } else { None }
    }

    /// Whether there is a report, or the other end is closed, after so many milliseconds or a signal at the latest.
    fn has_said(&self, milliseconds: u8) -> nix::Result<bool> {
        match poll(&mut [PollFd::new(self.outcome.as_fd(), PollFlags::POLLIN)], milliseconds) {
            Err(Errno::EINTR) => Ok(false),
            number => Ok(number? > 0),
        }
    }

    fn report(&self) -> nix::Result<Option<Error>> {
        let mut report = [0; REPORT_SIZE];
        let length = read(&self.outcome, &mut report)?;
        Ok((length == REPORT_SIZE).then(|| self.failure(report)))
    }

    fn failure(&self, report: [u8; REPORT_SIZE]) -> Error {
        let (call, errno) = Call::from_report(report);
        Error::new(errno).context(match call {
            Call::Execve => Step::Execve(self.program.clone()),
            call => Step::Prepare(call),
        })
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            signals::forget(child.pid);
            // Both fail only if the child is gone, which is what they are for.
            let _ = kill(child.pid, Signal::SIGKILL);
            let _ = wait_for(Some(child.pid));
        }
    }
}

/// A child that executes its program.
pub struct Running {
    pub(super) pid: Pid,
    /// The session that it leads, if it leads one.
    pub(super) session: Option<Session>,
    /// The signals, which the session waits for.
    pub(super) blocked: Option<Blocked>,
    /// Who ends it if this process is killed.
    pub(super) guard: Option<Guard>,
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

    /// Lets the child have the terminal, if it has a session and this process is in the foreground. Returns whether it
    /// has.
    fn enter_terminal(&mut self) -> bool {
        let Some(session) = &mut self.session else { return false };
        // Those that come from now on are read while this process waits.
        self.blocked = signals::block_all().ok();
        session.enter()
    }

    fn be_guarded(&mut self) -> Result<()> {
        let guard = self.session.as_ref().map(|session| Guard::start(self.pid, session));
        self.guard = guard.transpose()?;
        Ok(())
    }

    /// Waits for the child's end, and returns its exit status, or 128+n when signal n has ended it. Meanwhile what is
    /// typed, written, and signalled is passed on.
    ///
    /// # Errors
    ///
    /// wait(2).
    pub fn wait(self) -> Result<ExitCode> {
        if let Some(session) = self.session {
            session.wait(self.pid)?;
        }
        let (_, status) = wait_for(Some(self.pid)).context("wait for the child")?;
        Ok(status)
    }
}

/// Waits for the end of a child, of any one where `child` is `None`. Returns its process id, and the exit
/// status that a shell would give for its end: its own, or 128+n when signal n has ended it.
///
/// # Errors
///
/// wait(2): ECHILD when there is no such child.
pub fn wait_for(child: Option<Pid>) -> nix::Result<(Pid, ExitCode)> {
    leader::wait_for(child).map(|(pid, status)| (pid, ExitCode::from(status)))
}
