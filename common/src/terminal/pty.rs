//! A terminal for the container: pty(7).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::pty::{PtyMaster, Winsize, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::sys::termios::{
    LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, tcgetattr, tcsetattr,
};

use super::{Terminal, ioctl};

/// A pseudo-terminal: what is written to its master can be read from its slave, as if it were typed, and the other
/// way round.
pub(crate) struct Pty {
    master: PtyMaster,
    slave: OwnedFd,
}

impl Pty {
    /// Opens a pseudo-terminal with the modes and the size of `terminal`.
    ///
    /// # Errors
    ///
    /// Those of posix_openpt(3), such as ENOENT without /dev/ptmx, and ENODEV where no devpts is mounted.
    pub(super) fn open(terminal: &Terminal) -> Result<Pty> {
        // Nobody else has this open file, so it need not block.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let master = posix_openpt(flags).context("open a pseudo-terminal")?;
        unlockpt(&master).context("unlock a pseudo-terminal")?;
        let slave = open_slave(&master).context("open the slave of a pseudo-terminal")?;
        let pty = Pty { master, slave };
        pty.take_after(terminal).context("set the modes of a pseudo-terminal")?;
        Ok(pty)
    }

    fn take_after(&self, terminal: &Terminal) -> nix::Result<()> {
        let mut modes = terminal.modes().ok_or(Errno::EIO)?.clone();
        if !terminal.is_alone() {
            // The caller's terminal keeps its modes: it echoes, and turns \n into \r\n. Once is enough.
            modes.local_flags -= LocalFlags::ECHO;
            modes.output_flags -= OutputFlags::OPOST;
        }
        tcsetattr(&self.slave, SetArg::TCSANOW, &modes)?;
        self.set_size(terminal.size()?)
    }

    /// The side of the container.
    pub(super) fn slave(&self) -> BorrowedFd<'_> {
        self.slave.as_fd()
    }

    /// The name that a process of this mount namespace can open it by, as in `/dev/pts/3`.
    pub(super) fn name(&self) -> Option<String> {
        ptsname_r(&self.master).ok()
    }

    /// Sets the size. Whoever is in the foreground gets SIGWINCH if it is another one.
    pub(super) fn set_size(&self, mut size: Winsize) -> nix::Result<()> {
        ioctl(&self.master, libc::TIOCSWINSZ, &mut size)
    }

    /// Sends SIGINT, SIGQUIT or SIGTSTP to who is in the foreground, as if its key had been typed: TIOCSIG in the
    /// kernel's drivers/tty/pty.c.
    pub(super) fn interrupt(&self, signal: Signal) -> nix::Result<()> {
        // SAFETY: this request takes a number.
        Errno::result(unsafe {
            libc::ioctl(self.master.as_raw_fd(), libc::TIOCSIG, signal as libc::c_int)
        })
        .map(drop)
    }

    /// What to type for an end of file. None for a program that reads single keys, which would take it for a key.
    pub(super) fn end_of_file(&self) -> Option<u8> {
        let modes = tcgetattr(&self.slave).ok()?;
        let lines = modes.local_flags.contains(LocalFlags::ICANON);
        lines.then(|| modes.control_chars[SpecialCharacterIndices::VEOF as usize])
    }
}

impl AsFd for Pty {
    /// The master.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

/// Opens the slave from its master, and not by its name: that may be another one's in this mount namespace. Where the
/// kernel can't (Linux before 4.13), by its name.
fn open_slave(master: &PtyMaster) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    // SAFETY: this request takes flags, as open(2) does.
    let slave = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags.bits()) };
    match Errno::result(slave) {
        // SAFETY: the number is new, and nobody else's.
        Ok(slave) => Ok(unsafe { OwnedFd::from_raw_fd(slave) }),
        Err(_) => open(ptsname_r(master)?.as_str(), flags, Mode::empty()),
    }
}
