//! A stage on a terminal, and somebody who types.

use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::pty::Winsize;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use rexpect::session::{Options, PtySession, spawn_with_options};

use crate::{Stage, eventually, need, probe};

/// How long a typist waits for a program to be ready for a key, where nothing shows that it is.
const PAUSE: Duration = Duration::from_millis(200);

/// A pseudo-terminal with a calling script in its foreground: pty(7).
pub struct Terminal {
    session: PtySession,
    caller: Pid,
}

/// At once: an interactive shell ignores the SIGTERM that the library sends before, and it sends that for half a minute.
impl Drop for Terminal {
    fn drop(&mut self) {
        // The library waits for it, so that its id is nobody else's.
        let _ = kill(self.caller, Signal::SIGKILL);
    }
}

impl Terminal {
    /// Starts a shell script on a terminal of its own. `$0` in it is the stage's program.
    #[track_caller]
    pub fn run(stage: &Stage, script: &str) -> Terminal {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&stage.program).env("PS1", "# ").env("TERM", "vt100");
        // How long the terminal may stay silent.
        let silence = testbed::patience().as_millis().try_into().ok();
        let options = Options::default().timeout_ms(silence);
        let session = spawn_with_options(command, options).expect("a terminal");
        // In a test's process nobody else starts a child meanwhile.
        let caller = *probe::children(getpid()).last().expect("the script runs");
        Terminal { session, caller }
    }

    /// Starts an interactive bash on a terminal, which has the stage's program in `$STAGE`.
    #[track_caller]
    pub fn in_bash(stage: &Stage) -> Terminal {
        need("bash");
        let script =
            "STAGE=$0; export STAGE; PS1='outside$ ' exec bash --norc --noprofile --noediting -i";
        let mut terminal = Terminal::run(stage, script);
        terminal.see("outside$ ");
        terminal
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

    /// Waits for `text`, and returns what comes before it.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        self.session.exp_string(text).unwrap_or_else(|error| panic!("no {text:?}: {error}"))
    }

    /// Types some keys.
    #[track_caller]
    pub fn keys(&mut self, keys: &str) {
        thread::sleep(PAUSE);
        self.session.send(keys).and_then(|_| self.session.flush()).expect("the terminal is there");
    }

    /// Gives the window another size, in characters.
    #[track_caller]
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let master = self.session.process().get_file_handle().expect("the terminal is there");
        // SAFETY: TIOCSWINSZ reads a Winsize, which is there: ioctl_tty(2).
        let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
        assert_eq!(result, 0, "the window gets its size");
    }

    /// Types a key together with the control key, a moment later.
    #[track_caller]
    pub fn control(&mut self, key: char) {
        thread::sleep(PAUSE);
        self.session.send_control(key).expect("the terminal is there");
    }

    /// Types a line that ends the stage, and waits until the calling shell has noticed. What is typed before that is not
    /// the caller's.
    #[track_caller]
    pub fn leave(&mut self, line: &str) {
        self.enter(line);
        self.wait_for_end();
    }

    /// Waits until the calling shell has noticed the end of the stage.
    #[track_caller]
    pub fn wait_for_end(&mut self) {
        let caller = self.caller();
        eventually("the stage has ended", || probe::children(caller).is_empty());
    }

    /// The process of the calling script.
    #[track_caller]
    pub fn caller(&self) -> Pid {
        self.caller
    }

    /// The process of the stage that the calling script has started last.
    #[track_caller]
    pub fn launcher(&self) -> Pid {
        *probe::children(self.caller()).last().expect("the stage runs")
    }

    /// Waits for the end of the calling script.
    #[track_caller]
    pub fn wait(self) {
        self.session.process().wait().expect("the script runs");
    }
}
