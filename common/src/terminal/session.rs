//! A container's session, as its launcher sees it.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::Result;
use nix::unistd::Pid;

use super::Terminal;
use super::leader::NewSession;
use super::relay::Relay;
use super::screen::Screen;

/// A session of the container's own, and the terminal of it.
pub(crate) struct Session {
    /// The socket that the leader's messages come from.
    messages: OwnedFd,
    screen: Option<Screen>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Returns a session whose leader will be heard from `messages`, on this terminal.
    pub(crate) fn new(messages: OwnedFd, screen: Option<Screen>) -> Session {
        Session { messages, screen }
    }

    /// What the child needs to lead it. `launcher` is the other end of `messages`.
    pub(crate) fn parts<'a>(&'a self, launcher: &'a OwnedFd) -> NewSession<'a> {
        let terminal =
            self.screen.as_ref().map(|screen| (screen.pty().slave(), screen.terminal().standard()));
        NewSession { launcher: launcher.as_fd(), terminal }
    }

    /// The caller's terminal.
    pub(crate) fn terminal(&self) -> Option<&Terminal> {
        self.screen.as_ref().map(Screen::terminal)
    }

    /// Gives the terminal to the container, which is about to start. Returns whether it has it.
    pub(crate) fn enter(&mut self) -> bool {
        self.screen.as_mut().is_some_and(Screen::enter)
    }

    /// Passes bytes and signals on until `leader` has ended, which still has to be reaped. The caller has its terminal
    /// back then. All signals are blocked meanwhile.
    ///
    /// # Errors
    ///
    /// poll(2) and signalfd(2), which don't fail where there is memory.
    pub(crate) fn wait(self, leader: Pid) -> Result<()> {
        Relay::new(leader, self.messages, self.screen)?.run()
    }
}
