//! The launcher while its container runs: one loop, in one thread, which waits for bytes, signals, and the leader.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use super::screen::{Event, Screen};
use super::{caller, leader};
use crate::reexec::Step;
use crate::signals;

/// How long a container that was told to end has for it. A process 1 that somebody in it traces never does: ptrace(2).
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Relay {
    leader: Pid,
    messages: OwnedFd,
    signals: SignalFd,
    /// None where there is no terminal.
    screen: Option<Screen>,
    /// Whether the leader has ended.
    ended: bool,
    /// Whether it was told to end, and so waits no longer for a terminal that takes no output.
    hurried: bool,
    /// When it is killed, if it has not ended by then.
    deadline: Option<Instant>,
}

/// What poll(2) has found.
struct Ready {
    /// Nothing, for as long as the screen wanted to wait.
    nothing: bool,
    signals: bool,
    messages: bool,
    terminal: PollFlags,
}

impl Relay {
    pub(super) fn new(leader: Pid, messages: OwnedFd, screen: Option<Screen>) -> Result<Relay> {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&SigSet::all(), flags)
            .context(Step::Unprivileged("make a descriptor for signals"))?;
        let (ended, hurried, deadline) = (false, false, None);
        Ok(Relay { leader, messages, signals, screen, ended, hurried, deadline })
    }

    pub(super) fn run(mut self) -> Result<()> {
        self.look_for_end();
        while !self.is_over() {
            let ready = self.poll()?;
            if self.time_left() == Some(Duration::ZERO) {
                self.kill();
            }
            if ready.signals {
                self.take_signals();
            }
            if ready.messages {
                self.take_messages();
            }
            self.pass(ready);
        }
        Ok(())
    }

    fn pass(&mut self, ready: Ready) {
        let Some(screen) = &mut self.screen else { return };
        let event = if ready.nothing { screen.take_offered() } else { screen.pass(ready.terminal) };
        match event {
            Some(Event::HungUp) if !signals::is_ignored(libc::SIGHUP) => self.end(),
            Some(Event::Foreground) => self.tell(leader::GIVE_FOREGROUND),
            _ => {}
        }
    }

    fn is_over(&mut self) -> bool {
        self.ended && (self.screen.as_mut().is_none_or(Screen::show_rest) || self.hurried)
    }

    fn poll(&self) -> Result<Ready> {
        let mut descriptors = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.messages.as_fd(), PollFlags::POLLIN),
        ];
        descriptors.extend(self.screen.iter().flat_map(Screen::poll_fds));
        let of_screen = self.screen.as_ref().map_or(PollTimeout::NONE, Screen::poll_timeout);
        let timeout = match self.time_left().map(PollTimeout::try_from) {
            // Once it is to end, nobody needs to know whether it takes a key.
            Some(Ok(left)) => left,
            _ => of_screen,
        };
        let number = poll(&mut descriptors, timeout).context("wait for the container")?;
        let found = |index: usize| descriptors.get(index).and_then(PollFd::revents);
        Ok(Ready {
            nothing: number == 0 && timeout == of_screen,
            signals: found(0).is_some_and(|events| !events.is_empty()),
            messages: found(1).is_some_and(|events| !events.is_empty()),
            terminal: found(3).unwrap_or(PollFlags::empty()),
        })
    }

    fn take_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let number = signal.ssi_signo as libc::c_int;
            // What this process could not write itself: `signals::outlive_full_files`.
            let own = number == libc::SIGXFSZ && signal.ssi_pid == std::process::id();
            // Blocked, it is not lost even if the caller has had it ignored, as nohup(1) does.
            if !own && !signals::is_ignored(number) {
                self.take_signal(number);
            }
        }
    }

    fn take_signal(&mut self, number: libc::c_int) {
        match Signal::try_from(number) {
            Ok(Signal::SIGCHLD) => self.look_for_end(),
            Ok(Signal::SIGWINCH) => self.screen.iter().for_each(Screen::resize),
            Ok(Signal::SIGCONT) => self.go_on(),
            Ok(Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU) => {
                self.interrupt(Signal::SIGTSTP)
            }
            Ok(signal @ (Signal::SIGINT | Signal::SIGQUIT)) => self.interrupt(signal),
            // It does nothing by default.
            Ok(Signal::SIGURG) => {}
            // All others would end this process.
            _ => self.end(),
        }
    }

    /// Notices the end of the leader: waitid(2). It stays a zombie, whose id is nobody else's.
    fn look_for_end(&mut self) {
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: a siginfo_t of zeros is a good one, and waitid(2) writes to it.
        let ended = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let id = self.leader.as_raw() as libc::id_t;
            libc::waitid(libc::P_PID, id, &mut info, flags) != 0 || info.si_pid() != 0
        };
        self.ended |= ended;
    }

    fn end(&mut self) {
        self.hurried = true;
        self.deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
        signals::end();
    }

    /// How long the leader has to end. None where nobody waits for that.
    fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Ends a leader that was told to end, and does not. The kernel kills all in its PID namespace: pid_namespaces(7).
    fn kill(&mut self) {
        self.deadline = None;
        self.tell(Signal::SIGKILL);
    }

    /// Passes on a signal that a key of the terminal sends, to the job that is in the container's foreground.
    fn interrupt(&mut self, signal: Signal) {
        if !self.screen.as_ref().is_some_and(|screen| screen.interrupt(signal)) {
            self.tell(signal);
        }
    }

    fn take_messages(&mut self) {
        let mut message = [0_u8];
        let descriptor = self.messages.as_raw_fd();
        loop {
            // SAFETY: recv(2) writes at most one byte, to an array of that size.
            let received = Errno::result(unsafe {
                libc::recv(descriptor, message.as_mut_ptr().cast(), 1, libc::MSG_DONTWAIT)
            });
            match received {
                Ok(1) => self.stop(libc::c_int::from(message[0])),
                _ => return,
            }
        }
    }

    /// Stops this process, since a signal has stopped the container's shell, and goes on with it.
    fn stop(&mut self, signal: libc::c_int) {
        let wants_terminal = [libc::SIGTTIN, libc::SIGTTOU].contains(&signal);
        if wants_terminal && self.screen.as_mut().is_some_and(Screen::want) {
            return self.go_on();
        }
        if let Some(screen) = &mut self.screen {
            screen.leave();
        }
        let stopping = match Signal::try_from(signal) {
            Ok(signal @ (Signal::SIGTTIN | Signal::SIGTTOU)) => signal,
            // Not SIGSTOP: in an orphaned group that would be for ever.
            _ => Signal::SIGTSTP,
        };
        if caller::stop(stopping) || !wants_terminal {
            self.go_on();
        } else {
            // Nobody can put this process into the foreground. The container waits for what nobody will type.
            self.tell(leader::GIVE_FOREGROUND);
        }
    }

    /// Has the container go on, in the foreground if this process is there.
    fn go_on(&mut self) {
        let signal = match self.screen.as_mut().map(Screen::enter) {
            None => Signal::SIGCONT,
            Some(true) => leader::GIVE_FOREGROUND,
            Some(false) => leader::TAKE_FOREGROUND,
        };
        self.tell(signal);
    }

    fn tell(&self, signal: Signal) {
        // Fails when it has ended.
        let _ = kill(self.leader, signal);
    }
}
