//! What has failed, as the table is asked for it: a type and an errno, and never the words of a message.

use std::error::Error as StdError;
use std::path::Path;

use anyhow::Error;
use nix::errno::Errno;
use nix::sched::CloneFlags;

use super::Known;
use crate::reexec::{Call, Step};

/// What has failed.
pub(super) enum Failed<'a> {
    /// A step of a start
    Step(&'a Step),
    /// A system call that takes a capability
    Capability,
    /// A check of ours
    Known(&'a Known),
    /// A file that cannot be opened, for whatever it is: a limit is reached.
    Limit,
}

/// An error, as the table is asked for it.
pub(super) struct Failure<'a> {
    pub(super) failed: Failed<'a>,
    pub(super) errno: Errno,
}

impl Failure<'_> {
    pub(super) fn of(error: &Error) -> Option<Failure<'_>> {
        let errno = error.chain().find_map(errno_of);
        let failed = if let Some(known) = error.downcast_ref::<Known>() {
            Failed::Known(known)
        } else if let Some(step) = error.downcast_ref::<Step>() {
            Failed::Step(step)
        } else if errno == Some(Errno::EMFILE) {
            Failed::Limit
        } else if error.downcast_ref::<Errno>().is_some() {
            // Those of the standard library are about files.
            Failed::Capability
        } else {
            return None;
        };
        let errno = errno.or(matches!(failed, Failed::Known(_)).then_some(Errno::UnknownErrno))?;
        Some(Failure { failed, errno })
    }

    /// Whether new namespaces were refused, with one of these errors.
    pub(super) fn is_clone(&self, errnos: &[Errno]) -> bool {
        matches!(self.failed, Failed::Step(Step::Clone(_))) && errnos.contains(&self.errno)
    }

    /// Whether a process could not be made, for this reason.
    pub(super) fn is_process(&self, errno: Errno) -> bool {
        let forked = matches!(self.failed, Failed::Step(Step::Prepare(Call::Fork)));
        (forked || self.is_clone(&[errno])) && self.errno == errno
    }

    /// Whether these were a user namespace, and others in it.
    pub(super) fn is_new_user(&self) -> bool {
        matches!(self.failed, Failed::Step(Step::Clone(flags)) if flags.contains(CloneFlags::CLONE_NEWUSER))
    }

    /// Whether a capability was missing, or a security module took it for missing.
    pub(super) fn is_capability(&self, errnos: &[Errno]) -> bool {
        let asked = matches!(self.failed, Failed::Capability)
            || self.is_clone(&[self.errno]) && !self.is_new_user();
        asked && errnos.contains(&self.errno)
    }

    /// Whether a call was refused that takes no capability, with this error.
    pub(super) fn is_unprivileged(&self, errno: Errno) -> bool {
        use Call::{CloseRange, Mark, ParentDeathSignal, Session, Signals};
        let takes_none = match self.failed {
            Failed::Step(Step::Unprivileged(_)) => true,
            Failed::Step(Step::Prepare(call)) => {
                [CloseRange, Mark, ParentDeathSignal, Session, Signals].contains(call)
            }
            _ => false,
        };
        takes_none && self.errno == errno
    }

    pub(super) fn is_link(&self, errno: Errno) -> bool {
        matches!(self.failed, Failed::Step(Step::Link(_))) && self.errno == errno
    }

    pub(super) fn is_cgroup(&self, errnos: &[Errno]) -> bool {
        matches!(self.failed, Failed::Step(Step::Cgroup(_))) && errnos.contains(&self.errno)
    }

    /// Whether writing a map of user or group ids was refused.
    pub(super) fn is_map(&self, errno: Errno) -> bool {
        matches!(self.failed, Failed::Step(Step::Map(..))) && self.errno == errno
    }

    pub(super) fn is_execve(&self, of: impl Fn(&Path) -> bool, errnos: &[Errno]) -> bool {
        matches!(self.failed, Failed::Step(Step::Execve(program)) if of(program))
            && errnos.contains(&self.errno)
    }
}

fn errno_of(cause: &(dyn StdError + 'static)) -> Option<Errno> {
    let io = || cause.downcast_ref::<std::io::Error>()?.raw_os_error().map(Errno::from_raw);
    cause.downcast_ref().copied().or_else(io)
}
