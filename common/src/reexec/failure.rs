//! What can fail in a start: the contexts of its errors, by which the advice is chosen.

use std::fmt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sched::CloneFlags;

/// A step of a start that failed: the context of its error, and what its advice is chosen by.
#[derive(Clone, Debug)]
pub enum Step {
    /// clone(2), or unshare(2), with these flags.
    Clone(CloneFlags),
    /// Finding this process in /proc, which is another PID namespace's.
    OwnProc,
    /// Writing this file of /proc/PID, with this text.
    Map(&'static str, String),
    /// What the child does before execve.
    Prepare(Call),
    /// A system call that everybody may make, for this: only a filter refuses it.
    Unprivileged(&'static str),
    /// execve(2) of this file.
    Execve(PathBuf),
    /// Making this cgroup, or writing to this file of one.
    Cgroup(PathBuf),
    /// Making this network device.
    Link(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Step::Clone(flags) if flags.is_empty() => write!(f, "clone a child"),
            Step::Clone(flags) => {
                let names: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
                write!(f, "create namespaces with {}", names.join(" | "))
            }
            Step::OwnProc => write!(f, "find this process in /proc"),
            Step::Map(file, text) => write!(f, "write {text:?} to {file}"),
            Step::Prepare(Call::Fork) => write!(f, "make another process"),
            Step::Prepare(call) => write!(f, "prepare the child: {call:?}"),
            Step::Unprivileged(what) => f.write_str(what),
            Step::Execve(program) => write!(f, "execute {}", program.display()),
            Step::Cgroup(path) => write!(f, "make a cgroup: {}", path.display()),
            Step::Link(name) => write!(f, "make the network device {name}"),
        }
    }
}

/// What the child calls between clone and execve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// sigaction(2) and sigprocmask(2)
    Signals,
    /// prctl(2) with PR_SET_PDEATHSIG
    ParentDeathSignal,
    /// keyctl(2) with KEYCTL_JOIN_SESSION_KEYRING
    Keyring,
    /// setsid(2) and TIOCSCTTY, or setpgid(2) and tcsetpgrp(3)
    Session,
    /// fork(2): the child's, of its job, or the launcher's, of its guard
    Fork,
    /// chdir(2) to the directory that the program starts in
    Chdir,
    /// close_range(2) with CLOSE_RANGE_CLOEXEC, Linux 5.11
    CloseRange,
    /// dup2(2) of the mark of a second life
    Mark,
    /// execve(2)
    Execve,
}

/// A report is the [`Call`] and its errno.
pub(super) const REPORT_SIZE: usize = 1 + size_of::<i32>();

impl Call {
    pub(super) fn to_report(self, errno: Errno) -> [u8; REPORT_SIZE] {
        let [a, b, c, d] = (errno as i32).to_ne_bytes();
        [self as u8, a, b, c, d]
    }

    pub(super) fn from_report([call, errno @ ..]: [u8; REPORT_SIZE]) -> (Call, Errno) {
        let calls = [
            Call::Signals,
            Call::ParentDeathSignal,
            Call::Keyring,
            Call::Session,
            Call::Fork,
            Call::Chdir,
            Call::CloseRange,
            Call::Mark,
        ];
        let call = calls.into_iter().find(|known| *known as u8 == call);
        (call.unwrap_or(Call::Execve), Errno::from_raw(i32::from_ne_bytes(errno)))
    }
}
