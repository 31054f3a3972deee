//! The program under test, started as a reader would start it, and what comes of it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdout, Command, Stdio};
use std::{env, fs};

use common::rootfs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testbed::probe;

use crate::{As, Traits};

/// The stage under test.
pub struct Stage {
    /// What sets it apart.
    pub traits: Traits,
    /// Its program.
    pub program: PathBuf,
    /// Who runs it.
    pub who: As,
}

impl Stage {
    /// Its package, as `cargo run -p` takes it: the program's name without its number.
    pub fn package(&self) -> &str {
        let name = self.program.file_name().and_then(OsStr::to_str).expect("it has a name");
        name.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-')
    }

    /// Returns a command that starts the stage, with an environment of `PATH` and `TERM` alone.
    pub fn command(&self) -> Command {
        Stage::command_in_small_environment(&self.program)
    }

    /// Returns a command that starts a program that lies beside: [`crate::Beside`].
    pub fn command_of(&self, program: &str) -> Command {
        Stage::command_in_small_environment(&self.program.with_file_name(program))
    }

    fn command_in_small_environment(program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("TERM", "vt100");
        command
    }

    /// Runs the stage to its end, with these arguments, and nothing to read.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        Output::of(self.command().args(args))
    }

    /// Runs a shell script in the stage's container to its end.
    pub fn sh(&self, script: &str) -> Output {
        self.run(["-c", script])
    }

    /// Starts a script in the stage's container, and returns when it has said "ready".
    pub fn start(&self, script: &str) -> Container {
        Container::start(self.command().args(["-c", script]))
    }
}

/// What a program that has ended has left.
#[derive(Debug)]
pub struct Output {
    /// Its exit status, or 128+n when signal n has ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// Runs a command to its end, with nothing to read.
    pub fn of(command: &mut Command) -> Output {
        let output = command.stdin(Stdio::null()).output().expect("the command starts");
        Output {
            code: shell_code(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts that all went well, and returns what was written to standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.code == 0 && self.stderr.is_empty(), "not a success: {self:#?}");
        self.stdout
    }

    /// Asserts a refusal: exit status 1, nothing on standard output, and one line on standard error, with
    /// all of these words in it. Returns that line.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> String {
        let one_line = self.stderr.lines().count() == 1;
        assert!(
            self.code == 1 && self.stdout.is_empty() && one_line,
            "no clear refusal: {self:#?}"
        );
        for word in words {
            assert!(self.stderr.contains(word), "does not speak of {word:?}: {}", self.stderr);
        }
        self.stderr
    }
}

/// A status as a shell has it in `$?`.
pub(super) fn shell_code(status: process::ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().expect("it has ended"))
}

/// A container that runs. Dropped, its launcher is killed.
pub struct Container {
    launcher: Child,
    stdout: BufReader<ChildStdout>,
}

impl Container {
    /// Starts a command, and returns when it has written the line "ready".
    #[track_caller]
    pub fn start(command: &mut Command) -> Container {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        Container::of(command.spawn().expect("the stage starts"))
    }

    /// Takes a launcher that was started with a pipe for standard output, and waits for the line "ready".
    #[track_caller]
    pub fn of(mut launcher: Child) -> Container {
        let stdout = BufReader::new(launcher.stdout.take().expect("stdout is a pipe"));
        let mut container = Container { launcher, stdout };
        assert_eq!(container.line(), "ready");
        container
    }

    /// Reads the next line that the container writes.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("stdout can be read");
        line.trim_end().to_owned()
    }

    /// Where a file of the container is, seen from outside.
    pub fn outside(&self, path: &str) -> PathBuf {
        format!("/proc/{}/root{path}", self.youngest()).into()
    }

    /// The permissions of a file in the container, as chmod(1) takes them; or why nobody can tell.
    pub fn mode(&self, path: &str) -> String {
        match fs::metadata(self.outside(path)) {
            Ok(found) => format!("{:o}", found.permissions().mode() & 0o7777),
            Err(error) => error.to_string(),
        }
    }

    /// The launcher: the process that a reader has started.
    pub fn launcher(&self) -> Pid {
        Pid::from_raw(self.launcher.id() as i32)
    }

    /// The container's processes, eldest first: from stage 02 on `ns_init`, then the shell. Not the launcher's guard,
    /// which is outside, and came later.
    pub fn descendants(&self) -> Vec<Pid> {
        let first = probe::children(self.launcher()).into_iter().next();
        let below = first.map(probe::descendants).unwrap_or_default();
        first.into_iter().chain(below).collect()
    }

    /// The youngest of them: what the script is doing at the moment.
    #[track_caller]
    pub fn youngest(&self) -> Pid {
        *self.descendants().last().expect("the launcher has a child")
    }

    /// Sends a signal to the launcher.
    pub fn signal(&self, signal: Signal) {
        kill(self.launcher(), signal).expect("the launcher is there");
    }

    /// Waits for the launcher's end, and returns its exit status as a shell has it.
    pub fn wait(mut self) -> i32 {
        shell_code(self.launcher.wait().expect("the launcher can be waited for"))
    }

    /// Reads all that is left to read, and waits.
    pub fn finish(mut self) -> (String, i32) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("stdout can be read");
        (rest, self.wait())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Fails when it has ended, as it should have.
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

/// Installs this program, under another name, in the stage's root directory, which is made if it is missing.
#[track_caller]
pub(super) fn install_this(stage: &Stage, name: &str) {
    stage.sh("true").ok();
    let (this, root) = (Path::new("/proc/self/exe"), Path::new(rootfs::DEFAULT));
    rootfs::install(this, root, name).unwrap_or_else(|error| panic!("{error:#}"));
}
