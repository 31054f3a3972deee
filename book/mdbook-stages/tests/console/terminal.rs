//! A terminal of the host, with a shell of the ordinary user, and somebody who types.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::unistd::{Pid, tcgetpgrp};
use regex::Regex;

use crate::host::{HOME, ID, PATH, USER, WORKSPACE};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long nothing has to come for all to have come.
const QUIET: Duration = Duration::from_millis(30);

/// How long a typist waits before a key that interrupts a program.
const PAUSE: Duration = Duration::from_millis(300);

/// Wide enough that no line is broken.
const SIZE: (u16, u16) = (300, 1000);

/// A prompt on its line, up to the cursor; busybox' shells have the directory in front.
static PROMPT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(?:[/~]\S* )?([$#]) $").expect("a good expression"));

/// The prompt for the next line of a command.
const MORE: &str = "> ";

/// An empty screen.
fn screen() -> vt100::Parser {
    let size = |size: u16| NonZero::new(size).expect("it has a size");
    vt100::Parser::new(size(SIZE.0), size(SIZE.1), 0)
}

pub struct Terminal {
    keyboard: File,
    shell: Child,
    screen: vt100::Parser,
    /// The first line on the screen that has not been read.
    unread: u16,
    /// The process group in the foreground before the command that runs, if one does.
    idle: Option<Pid>,
}

impl Terminal {
    /// Starts a shell on a terminal of its own, and waits for its prompt.
    pub fn open() -> Result<Terminal> {
        let size = Winsize { ws_row: SIZE.0, ws_col: SIZE.1, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).context("open a terminal")?;
        let stdio = || -> Result<Stdio> { Ok(pty.slave.try_clone().context("dup")?.into()) };
        let mut command = Command::new("setsid");
        command.args(["--ctty", "sh"]).env_clear().current_dir(WORKSPACE).uid(ID).gid(ID);
        let environment = [
            ("HOME", HOME),
            ("LANG", "C.UTF-8"),
            ("LOGNAME", USER),
            ("PATH", PATH),
            ("SHELL", "/bin/sh"),
            ("TERM", "vt100"),
            ("USER", USER),
        ];
        command.envs(environment).stdin(stdio()?).stdout(stdio()?).stderr(stdio()?);
        let shell = command.spawn().context("start a shell")?;
        let mut terminal = Terminal {
            keyboard: File::from(pty.master),
            shell,
            screen: screen(),
            unread: 0,
            idle: None,
        };
        terminal.wait_for_prompt()?;
        Ok(terminal)
    }

    /// Types a command at a prompt, and checks that it is the prompt that the book shows.
    pub fn command(&mut self, prompt: char, lines: &[String]) -> Result<()> {
        let shown = self.cursor_line();
        let is = PROMPT.captures(&shown).and_then(|found| found[1].chars().next());
        ensure!(
            is == Some(prompt),
            "the prompt is {:?}, and the block has {prompt:?}",
            is.map_or(shown.clone(), String::from)
        );
        // With nothing but the prompt on the screen, there is room for all that comes.
        self.screen = screen();
        self.screen.process(shown.as_bytes());
        self.unread = 0;
        self.idle = Some(self.foreground()?);
        for (number, line) in lines.iter().enumerate() {
            let before = self.cursor_line();
            self.type_bytes(format!("{line}\n").as_bytes())?;
            self.wait(|terminal| terminal.cursor_row() > number as u16)
                .with_context(|| format!("the shell does not show what is typed: {line}"))?;
            let echo = self.line(number as u16);
            ensure!(
                echo == format!("{before}{line}").trim_end(),
                "typed {line:?}, and the shell shows {echo:?}"
            );
            self.unread = number as u16 + 1;
            if number + 1 < lines.len() {
                self.wait(|terminal| terminal.cursor_line() == MORE)
                    .context("the shell does not ask for more")?;
            }
        }
        Ok(())
    }

    /// Types a key together with the control key, when the program has had time to be ready for it.
    pub fn control(&mut self, key: char) -> Result<()> {
        self.wait_for_program()?;
        thread::sleep(PAUSE);
        self.read_for(Duration::ZERO)?;
        let (row, text) = (self.cursor_row(), self.cursor_line());
        self.type_bytes(&[key as u8 & 0x1f])?;
        // The terminal itself shows which key it was, as the book does: that is no output.
        thread::sleep(QUIET);
        self.read_for(Duration::ZERO)?;
        let shown = self.line(row);
        if shown
            .strip_prefix(text.trim_end())
            .is_some_and(|rest| rest.is_empty() || rest == format!("^{key}"))
        {
            self.unread = row + u16::from(self.cursor_row() > row);
        }
        Ok(())
    }

    /// Returns the lines up to the next prompt.
    pub fn output(&mut self) -> Result<Vec<String>> {
        let found = self.wait_for_prompt();
        if let Err(error) = found {
            let lines = self.lines(self.cursor_row() + 1).join("\n");
            bail!("{error}; what has come:\n{lines}");
        }
        let lines = self.lines(self.cursor_row());
        self.unread = self.cursor_row();
        self.idle = None;
        Ok(without_greeting(lines))
    }

    /// Returns so many lines of a command that goes on.
    pub fn partial_output(&mut self, count: usize) -> Result<Vec<String>> {
        let wanted = self.unread + count as u16;
        if self.wait(|terminal| terminal.cursor_row() >= wanted).is_err() {
            let lines = self.lines(self.cursor_row() + 1).join("\n");
            bail!("{count} lines are expected; what has come:\n{lines}");
        }
        let lines = self.lines(wanted);
        self.unread = wanted;
        Ok(lines)
    }

    fn foreground(&self) -> Result<Pid> {
        tcgetpgrp(&self.keyboard).context("find the process group in the foreground")
    }

    /// Waits until a command that was typed has the terminal: before, a key would be the shell's.
    fn wait_for_program(&mut self) -> Result<()> {
        let Some(idle) = self.idle else { return Ok(()) };
        let deadline = Instant::now() + PATIENCE;
        while self.foreground()? == idle && Instant::now() < deadline {
            // It may also be over, with the shell at its prompt again.
            if PROMPT.is_match(&self.cursor_line()) {
                break;
            }
            self.read_for(QUIET)?;
        }
        Ok(())
    }

    fn type_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.keyboard.write_all(bytes).context("type")
    }

    fn wait_for_prompt(&mut self) -> Result<()> {
        self.wait(|terminal| PROMPT.is_match(&terminal.cursor_line())).context("no prompt")
    }

    /// Waits until something is so, and nothing more comes.
    fn wait(&mut self, is_so: impl Fn(&Terminal) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let more = self.read_for(QUIET)?;
            if !more && is_so(self) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "not within {} s", PATIENCE.as_secs());
        }
    }

    /// Reads what comes within a time; returns whether something has come.
    fn read_for(&mut self, time: Duration) -> Result<bool> {
        let timeout = PollTimeout::try_from(time).context("a timeout")?;
        let mut polled = [PollFd::new(self.keyboard.as_fd(), PollFlags::POLLIN)];
        if poll(&mut polled, timeout).context("poll")? == 0 {
            return Ok(false);
        }
        let mut bytes = [0; 4096];
        let count = self.keyboard.read(&mut bytes).context("the shell has ended")?;
        self.screen.process(&bytes[..count]);
        Ok(count > 0)
    }

    fn cursor_row(&self) -> u16 {
        self.screen.screen().cursor_position().0
    }

    /// What is on the cursor's line before it.
    fn cursor_line(&self) -> String {
        let (row, column) = self.screen.screen().cursor_position();
        self.text(row, column)
    }

    /// A line without the blanks at its end.
    fn line(&self, row: u16) -> String {
        self.text(row, SIZE.1).trim_end().to_owned()
    }

    fn text(&self, row: u16, columns: u16) -> String {
        let cell = |column| self.screen.screen().cell(row, column);
        let cells = (0..columns).filter_map(cell).filter(|cell| !cell.is_wide_continuation());
        cells.map(|cell| if cell.has_contents() { cell.contents() } else { " " }).collect()
    }

    fn lines(&self, end: u16) -> Vec<String> {
        (self.unread..end).map(|row| self.line(row)).collect()
    }
}

/// Leaves out what busybox' shell says before its first prompt. That names its version, and comes only where the
/// root directory is made from busybox.
fn without_greeting(mut lines: Vec<String>) -> Vec<String> {
    let is_greeting = |line: &String| line.starts_with("BusyBox v");
    if let Some(at) = lines.iter().rposition(is_greeting) {
        let begin =
            lines[..at].iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        let rest = &lines[at + 1..];
        if rest.len() == 2 && rest[0].starts_with("Enter 'help'") && rest[1].is_empty() {
            lines.truncate(begin);
        }
    }
    lines
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails when it has ended.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
