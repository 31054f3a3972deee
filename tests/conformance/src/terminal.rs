//! A stage on a terminal, and somebody who types.

use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::unistd::{Pid, getpid};
use rexpect::session::{Options, PtySession, spawn_with_options};

use crate::{Stage, probe};

/// How long the terminal may stay silent, in milliseconds.
const SILENCE: u64 = 30_000;

/// How long a typist waits for a program to be ready for a key, where nothing shows that it is.
const PAUSE: Duration = Duration::from_millis(200);

/// A pseudo-terminal with a calling script in its foreground: pty(7).
pub struct Terminal {
    session: PtySession,
}

impl Terminal {
    /// Starts a shell script on a terminal of its own. `$0` in it is the stage's program.
    #[track_caller]
    pub fn run(stage: &Stage, script: &str) -> Terminal {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&stage.program).env("PS1", "# ").env("TERM", "vt100");
        let options = Options::default().timeout_ms(Some(SILENCE));
        let session = spawn_with_options(command, options).expect("a terminal");
        Terminal { session }
    }

    /// Waits for `text`.
    #[track_caller]
    pub fn see(&mut self, text: &str) {
        if let Err(error) = self.session.exp_string(text) {
            panic!("the terminal does not show {text:?}: {error}");
        }
    }

    /// Types a line.
    #[track_caller]
    pub fn enter(&mut self, line: &str) {
        self.session.send_line(line).expect("the terminal is there");
    }

    /// Types a line, and waits for `text`.
    #[track_caller]
    pub fn ask(&mut self, line: &str, text: &str) {
        self.enter(line);
        self.see(text);
    }

    /// Types a key together with the control key, a moment later.
    #[track_caller]
    pub fn control(&mut self, key: char) {
        thread::sleep(PAUSE);
        self.session.send_control(key).expect("the terminal is there");
    }

    /// The process of the calling script.
    #[track_caller]
    pub fn caller(&self) -> Pid {
        *probe::children(getpid()).last().expect("the script runs")
    }

    /// Waits for the end of the calling script.
    #[track_caller]
    pub fn wait(self) {
        self.session.process().wait().expect("the script runs");
    }
}
