//! The terminal of who started a container, and how they get it back.

use std::fs::{File, OpenOptions};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, getpid, setpgid, tcgetpgrp, tcsetpgrp};

/// A terminal whose foreground process group this process was in.
///
/// An interactive shell makes a process group of its own, and puts it into the foreground. At its end it
/// would put back the group that it found there, but cannot: in its PID namespace that group has no
/// number. Whoever reads from the terminal next, as a background process, gets EIO (tcsetpgrp(3),
/// credentials(7)).
pub(crate) struct Terminal {
    tty: File,
    modes: Termios,
}

impl Terminal {
    /// Returns the controlling terminal, if there is one and this process is in its foreground.
    pub(crate) fn of_foreground() -> Option<Terminal> {
        let tty = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC)
            .open("/dev/tty")
            .ok()?;
        let group = getpgrp();
        // A group from outside of this PID namespace has the number 0, and cannot be named.
        if group.as_raw() == 0 || tcgetpgrp(&tty) != Ok(group) {
            return None;
        }
        let modes = tcgetattr(&tty).ok()?;
        Some(Terminal { tty, modes })
    }

    /// Takes the foreground back, and the modes that the terminal had, if the group that has it now is
    /// gone. A group that lives was put there by somebody else, such as the caller's shell after `bg`.
    pub(crate) fn take_back(&self) {
        let Ok(foreground) = tcgetpgrp(&self.tty) else {
            return;
        };
        let gone = foreground.as_raw() > 0 && killpg(foreground, None) == Err(Errno::ESRCH);
        if foreground == getpgrp() || !gone {
            return;
        }
        let taken = without_stopping(|| {
            tcsetpgrp(&self.tty, getpgrp())?;
            tcsetattr(&self.tty, SetArg::TCSADRAIN, &self.modes)
        });
        if let Err(errno) = taken {
            log::debug!("take the terminal back: {errno}");
        }
    }
}

/// Puts this process into the terminal's foreground, in a group of its own, if the group there comes from
/// outside of its PID namespace.
///
/// An interactive shell that finds such a group, with the number 0, can't put it back at its end: dash(1)
/// complains, and exits with a status of its own. Makes only async-signal-safe calls.
pub(crate) fn lead_foreground() -> nix::Result<()> {
    // SAFETY: Rust's runtime makes sure that standard input is open, and nothing here closes it.
    let terminal = unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) };
    if getpgrp().as_raw() != 0 || tcgetpgrp(terminal) != Ok(Pid::from_raw(0)) {
        return Ok(());
    }
    setpgid(getpid(), getpid())?;
    without_stopping(|| tcsetpgrp(terminal, getpid()))
}

/// Makes a call that would stop a process of the background with SIGTTOU, were that not blocked:
/// tcsetpgrp(3).
fn without_stopping(call: impl FnOnce() -> nix::Result<()>) -> nix::Result<()> {
    let mask = SigSet::from(Signal::SIGTTOU).thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let result = call();
    mask.thread_set_mask()?;
    result
}
