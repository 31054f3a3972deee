//! The caller's terminal, the container's, and the bytes between them.

use std::os::fd::AsFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::{read, write};

use super::{Pty, Terminal};

/// How many pieces are shown before the terminal is left: more than a pseudo-terminal holds (64 KiB), and not all that
/// a job that is left behind may go on to write.
const REST: usize = 32;

/// How long what is typed in a pipeline is left to the other programs in it, in milliseconds.
const OFFER: u8 = 200;

/// What [`Screen::pass`] has met.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The caller's terminal has been hung up.
    HungUp,
    /// The container gets what nobody else wants, and is in the foreground from now on.
    Foreground,
}

/// A terminal on a terminal.
///
/// In a pipeline (`STAGE | less`) other programs use the caller's terminal as well: it keeps its modes, and the keys
/// are left to them, unless a program in the container reads from its terminal. It is in the background there, so
/// that the kernel tells (SIGTTIN). One that waits with poll(2) before it reads is not told of. For its sake the
/// container gets what nobody else has taken for a while.
pub(crate) struct Screen {
    terminal: Terminal,
    pty: Pty,
    /// What is on its way to the caller's terminal.
    output: Bytes,
    /// What is on its way to the container.
    input: Bytes,
    /// Whether a program in the container has asked for the terminal, by reading from it in the background.
    wanted: bool,
    /// Whether the container is in the foreground of its own terminal.
    foreground: bool,
    /// Whether something was typed that somebody else may take.
    offered: bool,
    /// Whether the caller's terminal is still there.
    connected: bool,
    /// How many pieces of output may still come after the end of the container.
    rest: usize,
}

impl Screen {
    /// Opens a terminal for a container, if its caller has one.
    pub(crate) fn of_caller() -> Option<Screen> {
        Terminal::open().map(Screen::open).transpose().unwrap_or_else(|error| {
            // As in a chroot without /dev/pts.
            log::warn!("{error:#}: the shell has no terminal of its own, and no job control");
            None
        })
    }

    fn open(terminal: Terminal) -> Result<Screen> {
        Ok(Screen {
            pty: Pty::open(&terminal)?,
            terminal,
            output: Bytes::new(),
            input: Bytes::new(),
            wanted: false,
            foreground: false,
            offered: false,
            connected: true,
            rest: REST,
        })
    }

    /// The name of the container's terminal, for a process of this mount namespace, as in `/dev/pts/3`.
    pub(crate) fn name(&self) -> Option<String> {
        self.pty.name()
    }

    pub(super) fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    pub(super) fn pty(&self) -> &Pty {
        &self.pty
    }

    /// Lets the container have the caller's terminal, as far as the caller's shell lets this process have it. Returns
    /// whether it has.
    pub(super) fn enter(&mut self) -> bool {
        self.foreground = self.gets_keys() && self.terminal.has_foreground();
        if self.foreground && self.terminal.is_alone() {
            self.terminal.set_raw();
        }
        self.resize();
        self.foreground
    }

    /// Whether what is typed is for the container, when it is in the foreground.
    fn gets_keys(&self) -> bool {
        self.wanted || !self.terminal.is_in_pipeline()
    }

    /// Whether others may take what is typed, and the container may have the rest.
    fn offers_keys(&self) -> bool {
        !self.gets_keys() && self.terminal.standard()[0] && self.terminal.has_foreground()
    }

    /// Gives the caller its terminal back.
    pub(super) fn leave(&mut self) {
        // What it has said before it stopped, such as ^Z.
        let _ = (0..REST).take_while(|_| self.show()).count();
        self.foreground = false;
        self.terminal.restore();
    }

    /// Remembers that the container wants to read. Returns whether it can have the terminal now.
    pub(super) fn want(&mut self) -> bool {
        self.wanted = true;
        self.terminal.has_foreground()
    }

    /// Gives the container's terminal the size of the caller's.
    pub(super) fn resize(&self) {
        if let Err(errno) = self.terminal.size().and_then(|size| self.pty.set_size(size)) {
            log::debug!("set the size of the terminal: {errno}");
        }
    }

    /// Interrupts, quits or stops who is in the container's foreground. Returns whether that can be done.
    pub(super) fn interrupt(&self, signal: Signal) -> bool {
        self.foreground && self.pty.interrupt(signal).is_ok()
    }

    /// What to wait for: first of the container's terminal, then of the caller's.
    pub(super) fn poll_fds(&self) -> Vec<PollFd<'_>> {
        let wait = |reads: bool, from: &Bytes, to: &Bytes| {
            let readable =
                if reads && from.is_empty() { PollFlags::POLLIN } else { PollFlags::empty() };
            let writable = if to.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            readable | writable
        };
        let mut descriptors =
            vec![PollFd::new(self.pty.as_fd(), wait(true, &self.output, &self.input))];
        if self.connected {
            let reads = if self.gets_keys() {
                self.foreground
            } else {
                !self.offered && self.offers_keys()
            };
            let events = wait(reads, &self.input, &self.output);
            descriptors.push(PollFd::new(self.terminal.as_fd(), events));
        }
        descriptors
    }

    /// How long to wait.
    pub(super) fn poll_timeout(&self) -> PollTimeout {
        if self.offered { OFFER.into() } else { PollTimeout::NONE }
    }

    /// Passes on what there is, after poll(2) has said that of the caller's terminal.
    pub(super) fn pass(&mut self, terminal: PollFlags) -> Option<Event> {
        self.show();
        let mut event = None;
        if terminal.contains(PollFlags::POLLIN) {
            if self.gets_keys() {
                self.read_typed();
            } else {
                self.offered = true;
            }
        }
        self.input.write_to(&self.pty);
        if terminal.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            self.connected = false;
            self.foreground = false;
            event = Some(Event::HungUp);
        }
        event
    }

    /// Takes what was offered, and is still there. To be called when nothing has happened for a while.
    pub(super) fn take_offered(&mut self) -> Option<Event> {
        self.offered = false;
        let mut terminal = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
        let left = poll(&mut terminal, PollTimeout::ZERO) == Ok(1);
        if !left || !self.offers_keys() {
            return None;
        }
        self.read_typed();
        self.input.write_to(&self.pty);
        self.foreground = true;
        Some(Event::Foreground)
    }

    fn read_typed(&mut self) {
        match self.input.read_from(&self.terminal) {
            // A line without an end: somebody has typed Ctrl-D.
            Ok(_) if !self.terminal.is_raw() && !self.input.ends_with(b'\n') => {
                self.input.extend(self.pty.end_of_file());
            }
            // This process is in the background, and nobody would continue it: read(2), EIO.
            Err(Errno::EIO) => self.foreground = false,
            _ => {}
        }
    }

    /// Shows a piece of what the container has written, as far as the caller's terminal takes it. Returns whether
    /// there was any.
    fn show(&mut self) -> bool {
        self.output.write_to(&self.terminal);
        let some = self.output.is_empty() && matches!(self.output.read_from(&self.pty), Ok(1..));
        self.output.write_to(&self.terminal);
        some
    }

    /// Shows what the container has written before its end. Returns whether that is done.
    pub(super) fn show_rest(&mut self) -> bool {
        self.foreground = false;
        while self.rest > 0 && self.show() {
            self.rest -= 1;
        }
        self.output.is_empty()
    }
}

/// Bytes on their way.
struct Bytes {
    buffer: [u8; 4096],
    start: usize,
    end: usize,
}

impl Bytes {
    fn new() -> Bytes {
        Bytes { buffer: [0; 4096], start: 0, end: 0 }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn ends_with(&self, byte: u8) -> bool {
        self.buffer[self.start..self.end].last() == Some(&byte)
    }

    /// Reads once, where nothing is left to be written. A byte's room stays.
    fn read_from(&mut self, file: impl AsFd) -> nix::Result<usize> {
        (self.start, self.end) = (0, 0);
        let room = self.buffer.len() - 1;
        self.end = read(file, &mut self.buffer[..room])?;
        Ok(self.end)
    }

    fn extend(&mut self, byte: Option<u8>) {
        if let Some(byte) = byte {
            self.buffer[self.end] = byte;
            self.end += 1;
        }
    }

    /// Writes what the file takes at once. What it will never take is lost.
    fn write_to(&mut self, file: impl AsFd) {
        while !self.is_empty() {
            match write(&file, &self.buffer[self.start..self.end]) {
                Ok(written) => self.start += written,
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => {}
                Err(_) => self.start = self.end,
            }
        }
    }
}
