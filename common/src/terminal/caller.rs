//! The terminal of whoever has started a container.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc;
use nix::pty::Winsize;
use nix::sys::signal::{Signal, raise};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::termios::{
    InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr,
    tcsetattr,
};
use nix::unistd::{getpgrp, tcgetpgrp};

use super::ioctl;
use crate::signals;

/// The terminal that standard input, output or error of this process is, whichever is the first.
///
/// Dropped, it has the modes that it had.
pub(crate) struct Terminal {
    file: File,
    /// Which of standard input, output and error are terminals.
    standard: [bool; 3],
    in_pipeline: bool,
    /// The modes that it had when this was made.
    modes: Option<Termios>,
    /// The modes that it had before [`Terminal::set_raw`].
    before: Option<Termios>,
}

impl Terminal {
    /// Returns the terminal, if there is one.
    pub(crate) fn open() -> Option<Terminal> {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let descriptors = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
        let standard = descriptors.map(|descriptor| descriptor.is_terminal());
        let first = standard.iter().position(|is_terminal| *is_terminal)?;
        let file = open_anew(descriptors[first]).ok()?;
        let in_pipeline = descriptors.into_iter().any(is_pipe);
        let modes = tcgetattr(&file).ok();
        Some(Terminal { file, standard, in_pipeline, modes, before: None })
    }

    /// Which of standard input, output and error are terminals.
    pub(super) fn standard(&self) -> [bool; 3] {
        self.standard
    }

    /// Whether all three are. Otherwise what is written elsewhere may come to the terminal in the end, as by cat(1).
    pub(super) fn is_alone(&self) -> bool {
        self.standard == [true; 3]
    }

    /// Whether one of the three is a pipe, or a socket, so that other programs may be using the terminal as well.
    pub(super) fn is_in_pipeline(&self) -> bool {
        self.in_pipeline
    }

    /// Whether this process is in the terminal's foreground, where it may read from it.
    pub(super) fn has_foreground(&self) -> bool {
        match tcgetpgrp(&self.file) {
            // Both are 0 when they come from outside of this PID namespace. Then `set_raw` tells.
            Ok(group) => group == getpgrp(),
            // It is not the controlling terminal of this process, and there is no job control.
            Err(errno) => errno == Errno::ENOTTY,
        }
    }

    /// The modes that it had when this was made. None where it is gone already.
    pub(super) fn modes(&self) -> Option<&Termios> {
        self.modes.as_ref()
    }

    /// Its size in characters: TIOCGWINSZ in ioctl_tty(2).
    pub(super) fn size(&self) -> nix::Result<Winsize> {
        let mut size = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        ioctl(&self.file, libc::TIOCGWINSZ, &mut size).map(|()| size)
    }

    /// Passes on all that is typed, as it is typed, and all that is written as it is: the terminal of the
    /// container does the rest. A process in the background is stopped (SIGTTOU), until it has the foreground.
    pub(super) fn set_raw(&mut self) {
        let Ok(modes) = tcgetattr(&self.file) else { return };
        let raw = made_raw(&modes);
        // It is still as it was left: somebody has sent SIGSTOP and SIGCONT.
        if self.before.is_some() && are_same(&modes, &raw) {
            return;
        }
        // Not TCSADRAIN, which waits as long as Ctrl-S holds the output.
        let set =
            signals::unblocked(Signal::SIGTTOU, || tcsetattr(&self.file, SetArg::TCSANOW, &raw));
        if set.is_ok() {
            self.before = Some(modes);
        }
    }

    /// Whether [`Terminal::set_raw`] has set it so.
    pub(super) fn is_raw(&self) -> bool {
        self.before.is_some()
    }

    /// Sets the modes that it had when this was made, if it still has those of [`Terminal::set_raw`]: for a process
    /// that outlives the one which has called that. Makes only async-signal-safe calls.
    pub(crate) fn restore_if_raw(&self) {
        let Some(modes) = &self.modes else { return };
        // Somebody else, such as the caller's shell, may have done it.
        if tcgetattr(&self.file).is_ok_and(|now| are_same(&now, &made_raw(modes))) {
            let _ = tcsetattr(&self.file, SetArg::TCSANOW, modes);
        }
    }

    /// Takes back what [`Terminal::set_raw`] has changed, and nothing that somebody else has.
    pub(super) fn restore(&mut self) {
        let Some(before) = self.before.take() else { return };
        let raw = made_raw(&before);
        let restored = tcgetattr(&self.file).and_then(|mut modes| {
            modes.input_flags |= before.input_flags - raw.input_flags;
            modes.output_flags |= before.output_flags - raw.output_flags;
            modes.local_flags |= before.local_flags - raw.local_flags;
            for (index, value) in ONE_BYTE_AT_ONCE {
                if modes.control_chars[index as usize] == value {
                    modes.control_chars[index as usize] = before.control_chars[index as usize];
                }
            }
            // This process may be in the background by now.
            signals::blocked(Signal::SIGTTOU, || tcsetattr(&self.file, SetArg::TCSANOW, &modes))
        });
        if let Err(errno) = restored {
            log::debug!("restore the modes of the terminal: {errno}");
        }
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Whether another program is at the other end: inode(7).
fn is_pipe(descriptor: BorrowedFd) -> bool {
    fstat(descriptor).is_ok_and(|status| {
        let kind = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT;
        kind == SFlag::S_IFIFO || kind == SFlag::S_IFSOCK
    })
}

/// Opens a terminal a second time. Calls on this file don't wait. O_NONBLOCK is a property of an open file, and on
/// the inherited one it would be set for all that share it, such as the caller: open(2).
fn open_anew(inherited: BorrowedFd) -> io::Result<File> {
    let device = |file: BorrowedFd| {
        let mut number: libc::c_uint = 0;
        ioctl(file, libc::TIOCGDEV, &mut number).map(|()| number)
    };
    // The first can be opened by who has come by su(1), and may not open the terminal by its name.
    for path in ["/dev/tty".to_owned(), format!("/proc/self/fd/{}", inherited.as_raw_fd())] {
        let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        match file {
            Ok(file) if device(file.as_fd()) == device(inherited) => return Ok(file),
            _ => {}
        }
    }
    // One that may block. It is asked with poll(2) first.
    inherited.try_clone_to_owned().map(File::from)
}

/// How many bytes a read waits for, and for how long.
const ONE_BYTE_AT_ONCE: [(SpecialCharacterIndices, u8); 2] =
    [(SpecialCharacterIndices::VMIN, 1), (SpecialCharacterIndices::VTIME, 0)];

/// Returns modes in which the terminal itself does nothing: "Raw mode" in termios(3), without what is about lines of
/// 7 bits.
fn made_raw(modes: &Termios) -> Termios {
    let mut raw = modes.clone();
    raw.input_flags -= InputFlags::IGNBRK
        | InputFlags::BRKINT
        | InputFlags::PARMRK
        | InputFlags::ISTRIP
        | InputFlags::INLCR
        | InputFlags::IGNCR
        | InputFlags::ICRNL
        | InputFlags::IXON;
    raw.output_flags -= OutputFlags::OPOST;
    raw.local_flags -= LocalFlags::ECHO
        | LocalFlags::ECHONL
        | LocalFlags::ICANON
        | LocalFlags::ISIG
        | LocalFlags::IEXTEN;
    for (index, value) in ONE_BYTE_AT_ONCE {
        raw.control_chars[index as usize] = value;
    }
    raw
}

/// Whether two sets of modes are the same. (The type compares more than the modes.)
fn are_same(a: &Termios, b: &Termios) -> bool {
    let flags = |modes: &Termios| (modes.input_flags, modes.output_flags, modes.local_flags);
    flags(a) == flags(b) && a.control_chars == b.control_chars
}

/// Stops this process with a signal of job control, until it is told to go on. Returns whether it was stopped: the
/// kernel stops no process of an orphaned group, which nobody would continue (setpgid(2), notes).
pub(super) fn stop(signal: Signal) -> bool {
    // It is pending until it is unblocked. SIGCONT, which is blocked, is pending when it has continued this process.
    let stopped = raise(signal)
        .and_then(|()| signals::unblocked(signal, || signals::is_pending(Signal::SIGCONT)));
    stopped.unwrap_or(false)
}
