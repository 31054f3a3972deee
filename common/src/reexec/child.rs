//! What the cloned child does between clone(2) and execve(2).

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, chdir, close, getpid, getppid, read, setpgid, write};

use super::failure::{Call, Step};
use super::guard::close_all_but;
use super::image::Image;
use super::mark;
use crate::signals;
use crate::terminal::leader::{self, NewSession};

/// The cloned child's view of its start. All of it is in memory before the clone.
pub(super) struct Child<'a> {
    pub(super) image: &'a Image,
    pub(super) current_dir: Option<&'a CString>,
    /// What makes the program one of ours, in its second life.
    pub(super) mark: Option<RawFd>,
    pub(super) role: Role<'a>,
    /// Whether it is in namespaces of its own, and so the first process of a container.
    pub(super) is_container: bool,
    /// Where the parent's word comes from.
    pub(super) hold: &'a OwnedFd,
    /// The end that the parent writes it to.
    pub(super) release: RawFd,
    /// Where to say what has failed.
    pub(super) report: &'a OwnedFd,
}

/// What a child is in its session: credentials(7).
#[derive(Clone, Copy)]
pub(super) enum Role<'a> {
    /// It leads a new one.
    Leader(NewSession<'a>),
    /// It leads a process group, in a session that its parent leads.
    Job,
    /// It stays in the process group of its parent.
    Member,
}

/// The parent's word: go on.
pub(super) const GO: u8 = 1;
/// The parent's word: go on, in the foreground.
pub(super) const GO_IN_FOREGROUND: u8 = 2;

impl Child<'_> {
    /// Waits for the parent's word, then executes the program. Returns, as clone's function does, an exit status.
    pub(super) fn execute(&self) -> isize {
        self.wait_and_execute().unwrap_or_else(|(call, errno)| {
            // No one is left to tell if this write fails.
            let _ = write(self.report, &call.to_report(errno));
            127
        })
    }

    fn wait_and_execute(&self) -> Result<isize, (Call, Errno)> {
        let failed = |call| move |errno| (call, errno);
        signals::restore_in_child(self.keeps_signals()).map_err(failed(Call::Signals))?;
        // From now on this process dies with its parent. A PID namespace dies with its process 1.
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed(Call::ParentDeathSignal))?;
        self.take_role().map_err(failed(Call::Session))?;
        // The copy of the end that the parent writes to; while it is open there is no end of file below.
        let _ = close(self.release);
        let Some(word) = self.word() else { return Ok(127) };
        if self.is_container {
            leave_session_keyring().map_err(failed(Call::Keyring))?;
        }
        if let Some(directory) = self.current_dir {
            chdir(directory.as_c_str()).map_err(failed(Call::Chdir))?;
        }
        if let (Role::Leader(session), None) = (self.role, self.mark) {
            return self.lead_job(session, word == GO_IN_FOREGROUND);
        }
        close_all_on_exec().map_err(failed(Call::CloseRange))?;
        if let Some(mark) = self.mark {
            mark::keep(mark).map_err(failed(Call::Mark))?;
        }
        if word == GO_IN_FOREGROUND {
            // It is blocked, and pending until the program has a job to put there.
            kill(getpid(), leader::GIVE_FOREGROUND).map_err(failed(Call::Session))?;
        }
        Err((Call::Execve, self.image.execute()))
    }

    /// Whether signals are held back until the leader, or a program of ours, knows what to do with them.
    fn keeps_signals(&self) -> bool {
        self.mark.is_some() || matches!(self.role, Role::Leader(_))
    }

    fn take_role(&self) -> nix::Result<()> {
        match self.role {
            Role::Leader(session) => session.lead(),
            Role::Job => setpgid(getpid(), getpid()),
            Role::Member => Ok(()),
        }
    }

    /// Waits for the parent's word. Without one the parent is gone, or has given this child up.
    fn word(&self) -> Option<u8> {
        let mut word = [0];
        let length = loop {
            match read(self.hold, &mut word) {
                Err(Errno::EINTR) => {}
                length => break length,
            }
        };
        // A parent that was killed after its word, but before this child had asked for PDEATHSIG, can be
        // told by the other end of the pipe: it holds that open until execve.
        let mut pipe = [PollFd::new(self.hold.as_fd(), PollFlags::empty())];
        let polled = poll(&mut pipe, PollTimeout::ZERO);
        let given = length == Ok(1) && polled.is_ok() && pipe[0].any() == Some(false);
        given.then_some(word[0])
    }

    /// Executes the program of others as a job of this process, which leads the session in their place, and waits.
    /// Returns its exit status.
    fn lead_job(&self, session: NewSession, in_foreground: bool) -> Result<isize, (Call, Errno)> {
        let this = getpid();
        // SAFETY: fork(2) gives the child a copy of all memory. It makes only async-signal-safe calls.
        match Errno::result(unsafe { libc::fork() }) {
            Ok(0) => Err(self.execute_job(this, in_foreground)),
            Ok(job) => {
                let launcher = session.launcher.as_raw_fd();
                close_all_but([0, 1, 2, launcher]);
                Ok(leader::serve(Pid::from_raw(job), launcher).into())
            }
            Err(errno) => Err((Call::Fork, errno)),
        }
    }

    /// Returns only on failure.
    fn execute_job(&self, leader: Pid, in_foreground: bool) -> (Call, Errno) {
        let prepare = || -> Result<(), (Call, Errno)> {
            let failed = |call| move |errno| (call, errno);
            prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed(Call::ParentDeathSignal))?;
            if getppid() != leader {
                // It has died before this process could ask for that.
                return Err((Call::ParentDeathSignal, Errno::ESRCH));
            }
            leader::lead_group(getpid(), in_foreground).map_err(failed(Call::Session))?;
            signals::restore_in_child(false).map_err(failed(Call::Signals))?;
            close_all_on_exec().map_err(failed(Call::CloseRange))
        };
        prepare().err().unwrap_or_else(|| (Call::Execve, self.image.execute()))
    }
}

/// Sees to it that but for standard input, output and error no descriptor leads out: CVE-2024-21626.
fn close_all_on_exec() -> nix::Result<()> {
    close_on_exec(3)
}

/// Looks whether the child will be able to do that. On an older kernel nothing else has to be put right first, such as a
/// cgroup of one's own.
pub(super) fn check_close_range() -> Result<()> {
    // There is no such descriptor.
    close_on_exec(libc::c_uint::MAX).context(Step::Prepare(Call::CloseRange))
}

fn close_on_exec(first: libc::c_uint) -> nix::Result<()> {
    // SAFETY: close_range(2) takes no pointers. With CLOEXEC the descriptors work until execve.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })
    .map(drop)
}

/// Leaves the caller's session keyring for a new one: session-keyring(7). There may be keys of the caller in it, and no
/// namespace hides them.
fn leave_session_keyring() -> nix::Result<()> {
    // SAFETY: a null pointer stands for a keyring without a name: keyctl_join_session_keyring(3).
    let joined = Errno::result(unsafe {
        libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<u8>())
    });
    match joined {
        // A kernel, or a filter of system calls, that has none for anybody.
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        joined => joined.map(drop),
    }
}
