//! The terminal of who started a container, and how they get it back.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getppid, setpgid, tcgetpgrp, tcsetpgrp};

/// The controlling terminal of this process.
///
/// An interactive shell makes a process group of its own, and puts it into the foreground. At its end it
/// would put back the group that it found there, but cannot: in its PID namespace that group has no
/// number. A caller that is left in the background is stopped when it reads (SIGTTIN), or, with nobody to
/// continue it, gets EIO: read(2).
pub(crate) struct Terminal {
    tty: File,
    /// Its modes, where this process was in the foreground, and they were its own.
    modes: Option<Termios>,
}

impl Terminal {
    /// Returns the controlling terminal, if there is one.
    pub(crate) fn open() -> Option<Terminal> {
        let tty = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC)
            .open("/dev/tty")
            .ok()?;
        // A group from outside of this PID namespace has the number 0, and cannot be named.
        if getpgrp().as_raw() == 0 {
            return None;
        }
        let in_foreground = tcgetpgrp(&tty) == Ok(getpgrp());
        let modes = if in_foreground { tcgetattr(&tty).ok() } else { None };
        Some(Terminal { tty, modes })
    }

    /// Takes the foreground back, and the modes that the terminal had.
    ///
    /// Not from a group that lives, which was put there by somebody else, such as the caller's shell after
    /// `bg`. But when the container's shell was `killed`, a job of its may have been left there.
    pub(crate) fn take_back(&self, killed: bool) {
        let Ok(foreground) = tcgetpgrp(&self.tty) else { return };
        let gone = foreground.as_raw() > 0 && killpg(foreground, None) == Err(Errno::ESRCH);
        let left_there =
            killed && self.modes.is_some() && getpgid(Some(getppid())) != Ok(foreground);
        if foreground == getpgrp() || !(gone || left_there) {
            return;
        }
        let taken = without_stopping(|| {
            tcsetpgrp(&self.tty, getpgrp())?;
            self.modes.iter().try_for_each(|modes| tcsetattr(&self.tty, SetArg::TCSADRAIN, modes))
        });
        if let Err(errno) = taken {
            log::debug!("take the terminal back: {errno}");
        }
    }
}

/// Whether a program would talk with a person: standard input, output and error are terminals.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Puts this process into the terminal's foreground, in a group of its own, if the group there comes from
/// outside of its PID namespace, and is its own so far.
///
/// An interactive shell that finds such a group, with the number 0, can't put it back at its end: dash(1)
/// complains, and exits with a status of its own. Makes only async-signal-safe calls.
pub(crate) fn lead_foreground() -> nix::Result<()> {
    // SAFETY: Rust's runtime makes sure that standard input is open, and nothing here closes it.
    let terminal = unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) };
    if getpgrp().as_raw() != 0 || tcgetpgrp(terminal) != Ok(Pid::from_raw(0)) {
        return Ok(());
    }
    // All groups outside have the number 0. The kernel knows which is in the foreground: to others it sends
    // SIGTTOU for this, and they stop until the caller's shell is told `fg`: termios(3), tcsetattr.
    match tcsetattr(terminal, SetArg::TCSANOW, &tcgetattr(terminal)?) {
        // Nobody is there to say `fg`.
        Err(Errno::EIO) => return Ok(()),
        result => result?,
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
