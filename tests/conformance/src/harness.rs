//! The harness: runs each test of a program as the users that it is for, in namespaces of its own.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::{env, io, process, thread};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill};
use nix::unistd::{Pid, alarm, chdir, getegid, geteuid};

use common::check::{check, init_logging};
use common::{reexec, rootfs};
use testbed::host::{self, HOSTNAME, ORDINARY, one_id};
use testbed::{cgroup, probe};

use crate::beside::{self, Beside};
use crate::{escape, queues};

/// Who runs a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// Root of the machine. Such a test is ignored when an ordinary user starts it.
    Root,
    /// An ordinary user who is root in a user namespace made before, as `cargo rootless` does.
    Rootless,
    /// An ordinary user.
    User,
}

impl As {
    const ALL: [As; 3] = [As::Root, As::Rootless, As::User];
}

impl Display for As {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            As::Root => "root",
            As::Rootless => "rootless",
            As::User => "user",
        })
    }
}

/// One test, and who it is run as.
#[derive(Clone)]
pub struct Test {
    name: String,
    run: fn(&Stage),
    who: Vec<As>,
}

impl Test {
    /// Returns a test. `path` is the function's name: with its underscores for spaces it is a sentence.
    pub fn new(path: &str, run: fn(&Stage), who: &[As]) -> Test {
        let name = path.rsplit("::").next().unwrap_or(path).replace('_', " ");
        Test { name, run, who: who.to_vec() }
    }
}

/// Makes a list of tests: `tests![&[As::Root] => [a_sentence, another], &[As::User] => [a_third]]`.
#[macro_export]
macro_rules! tests {
    ($($who:expr => [$($test:path),+ $(,)?]),+ $(,)?) => {
        vec![$($($crate::Test::new(stringify!($test), $test, $who)),+),+]
    };
}

/// The tests of one program.
struct Suite {
    stage: u8,
    program: PathBuf,
    beside: &'static [Beside],
    tests: Vec<Test>,
}

/// Runs the tests of stage number `stage` (0 for a test of `common` alone), whose program Cargo has built
/// at `program`. The only thing in the `main` of a test program that has `harness = false`.
pub fn main(stage: u8, program: &str, tests: Vec<Test>) -> ExitCode {
    main_beside(stage, program, &[], tests)
}

/// As [`main`], for tests that start the programs of other packages, too. These are built first, unless
/// `STAGE_PROGRAM` says where all of them lie.
pub fn main_beside(
    stage: u8,
    program: &str,
    beside: &'static [Beside],
    tests: Vec<Test>,
) -> ExitCode {
    init_logging();
    let program = env::var_os("STAGE_PROGRAM").map_or(program.into(), PathBuf::from);
    let suite = Suite { stage, program, beside, tests };
    // Not by reexec::dispatch: some of these lives are started by others than reexec::command.
    let lives: [(&str, reexec::Entrypoint<Suite>); 6] = [
        ("enclose", enclose),
        ("outer", outer),
        ("inner", inner),
        ("test", test),
        (escape::PROGRAM, escape::main),
        (queues::PROGRAM, queues::main),
    ];
    // Those that are may find signals held back for what they are to start.
    SigSet::empty().thread_set_mask().expect("an empty set is a good one");
    let name = reexec::entry_point().or_else(|| env::args().next()).unwrap_or_default();
    let life = lives.iter().find(|(known, _)| *known == name);
    check(life.map_or(run_all as reexec::Entrypoint<Suite>, |(_, life)| *life)(&suite))
}

/// The exit status of a test that cannot run on this machine, as in automake.
const SKIPPED: u8 = 77;

/// Ends a test that cannot run on this machine, with the reason. With `TEST_NO_SKIP` it fails.
pub fn skip(reason: &str) -> ! {
    eprintln!("{reason}");
    process::exit(SKIPPED.into())
}

/// Has the signals of a terminal do what they do by default. Whoever starts tests under nohup(1), or in the background
/// of a script, has left them ignored, and so would all that the tests start.
///
/// # Errors
///
/// sigaction(2).
pub fn reset_signals() -> Result<()> {
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: no handler is set.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }
            .with_context(|| format!("reset {signal}"))?;
    }
    Ok(())
}

fn run_all(suite: &Suite) -> Result<ExitCode> {
    reset_signals()?;
    let mut trials = Vec::new();
    for test in &suite.tests {
        for who in test.who.iter().copied() {
            let name = test.name.clone();
            trials.push(Trial::ignorable_test(format!("{who}: {name}"), move || {
                run_in_process(who, &name)
            }));
        }
    }
    let mut arguments = Arguments::from_args();
    if !arguments.list {
        beside::build(suite.beside)?;
    }
    // These tests wait for processes more than they compute.
    let processors = thread::available_parallelism().map_or(1, |number| number.get());
    arguments.test_threads.get_or_insert(2 * processors);
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// Runs one test in a process of its own.
fn run_in_process(who: As, name: &str) -> Result<Completion, Failed> {
    if who == As::Root && !geteuid().is_root() {
        return skipped("needs root");
    }
    in_process("enclose", &[&who.to_string(), name]).map(|(completion, _)| completion)
}

/// Returns that a test cannot run on this machine, or, with `TEST_NO_SKIP`, that it has failed.
pub fn skipped(reason: &str) -> Result<Completion, Failed> {
    if env::var_os("TEST_NO_SKIP").is_some() {
        Err(Failed::from(format!("not skipped, as TEST_NO_SKIP is set: {reason}")))
    } else {
        Ok(Completion::ignored_with(reason))
    }
}

/// Starts this program again, as the life of this name, and takes its exit status for the outcome of a test.
/// Returns also what it has written to standard output.
pub fn in_process(life: &str, args: &[&str]) -> Result<(Completion, String), Failed> {
    let output =
        Command::new("/proc/self/exe").arg0(life).args(args).stdin(Stdio::null()).output()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0) => Ok((Completion::Completed, stdout)),
        Some(code) if code == i32::from(SKIPPED) => {
            skipped(said.trim()).map(|completion| (completion, stdout))
        }
        _ => Err(Failed::from(format!("{}\n{said}", output.status))),
    }
}

/// Seconds after which a test is stuck.
const TIMEOUT: u32 = 300;

/// The user and the name of the test that [`run_in_process`] has put on the command line.
fn chosen(suite: &Suite) -> Result<(As, &Test)> {
    let [who, name] = env::args().skip(1).collect::<Vec<_>>().try_into().ok().context("usage")?;
    let who = As::ALL.into_iter().find(|known| known.to_string() == who).context("no such user")?;
    let test = suite.tests.iter().find(|test| test.name == name).context("no such test")?;
    Ok((who, test))
}

/// First life of a test's process: makes the outer namespaces, and the cgroup.
fn enclose(suite: &Suite) -> Result<ExitCode> {
    let mut command = reexec::command("outer").cloneflag(host::NAMESPACES);
    let (who, _) = chosen(suite)?;
    let root = geteuid().is_root();
    if !root {
        command = command
            .cloneflag(CloneFlags::CLONE_NEWUSER)
            .uid_mappings(&one_id(0, geteuid().as_raw()))
            .gid_mappings(&one_id(0, getegid().as_raw()))
            .env("ORDINARY_UID", geteuid().to_string())
            .env("ORDINARY_GID", getegid().to_string());
    }
    if suite.stage < 8 {
        return command.run();
    }
    let owner = (root && who != As::Root).then_some(ORDINARY);
    let cgroup = cgroup::Own::make("pids", owner).unwrap_or_else(|error| {
        skip(&format!("needs a cgroup to make others in ({error:#}): sudo tests/as-user COMMAND"))
    });
    let outer = command.env(cgroup::VARIABLE, &cgroup.directory).create()?;
    let moved = cgroup.enter(outer.pid());
    let status = moved.and_then(|()| outer.start()?.wait());
    cgroup.remove()?;
    status
}

/// The ordinary user's ids, where it was an ordinary user that has started the tests.
fn ordinary_starter() -> Option<(u32, u32)> {
    let id = |name| env::var(name).ok()?.parse().ok();
    Some((id("ORDINARY_UID")?, id("ORDINARY_GID")?))
}

/// Where the program under test is, for everybody to execute.
const PROGRAMS: &str = "/tmp/under-test";

/// Second life: process 1 of the outer PID namespace, root in it. Dresses the namespaces up as a host.
fn outer(suite: &Suite) -> Result<ExitCode> {
    let (who, _) = chosen(suite)?;
    // /tmp may be where it was built, and is about to be covered.
    let programs = open_programs(suite)?;
    host::dress_up(HOSTNAME, || Ok(()))?;
    fs::create_dir(PROGRAMS).context("mkdir")?;
    for (name, mut program) in programs {
        let copy = Path::new(PROGRAMS).join(name);
        io::copy(&mut program, &mut File::create(&copy)?).context("copy a program")?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
    }
    let mut inner = Command::new("/proc/self/exe");
    inner.arg0("inner").args(env::args_os().skip(1));
    if who != As::Root && ordinary_starter().is_none() {
        inner.uid(ORDINARY).gid(ORDINARY);
    }
    let inner = inner.spawn().context("start the inner process")?;
    host::wait_as_init(Pid::from_raw(inner.id() as i32))
}

/// Returns the program under test, and those beside it, each with its name.
fn open_programs(suite: &Suite) -> Result<Vec<(&OsStr, File)>> {
    if suite.stage == 0 {
        return Ok(Vec::new());
    }
    beside::open(&suite.program, program_name(suite), suite.beside)
}

fn program_name(suite: &Suite) -> &OsStr {
    suite.program.file_name().unwrap_or(OsStr::new("stage"))
}

/// Third life: has the user id that the test asks for.
fn inner(suite: &Suite) -> Result<ExitCode> {
    let (who, _) = chosen(suite)?;
    let command = reexec::command("test");
    let nested = command.clone().cloneflag(CloneFlags::CLONE_NEWUSER);
    match (who, ordinary_starter()) {
        (As::Root, _) | (As::User, None) => command,
        // In the outer user namespace the one user is root. Here they get their own id back.
        (As::User, Some((uid, gid))) => {
            nested.uid_mappings(&one_id(uid, 0)).gid_mappings(&one_id(gid, 0))
        }
        (As::Rootless, _) => nested
            .cloneflag(CloneFlags::CLONE_NEWNS)
            .uid_mappings(&one_id(0, geteuid().as_raw()))
            .gid_mappings(&one_id(0, getegid().as_raw())),
    }
    .run()
}

/// Last life: the test.
fn test(suite: &Suite) -> Result<ExitCode> {
    let (who, test) = chosen(suite)?;
    alarm::set(TIMEOUT);
    chdir("/").context("chdir")?;
    if who == As::Rootless {
        // A mount namespace of another user namespace gets slaves: mount_namespaces(7).
        host::share_all_mounts()?;
    }
    (test.run)(&Stage {
        number: suite.stage,
        program: Path::new(PROGRAMS).join(program_name(suite)),
        who,
    });
    Ok(ExitCode::SUCCESS)
}

/// The stage under test.
pub struct Stage {
    /// Its number, 1 to 8.
    pub number: u8,
    /// Its program.
    pub program: PathBuf,
    /// Who runs it.
    pub who: As,
}

impl Stage {
    /// Returns a command that starts the stage, with an environment of `PATH` and `TERM` alone.
    pub fn command(&self) -> Command {
        Stage::command_in_small_environment(&self.program)
    }

    /// Returns a command that starts a program that lies beside: [`Beside`].
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

/// Returns the commands that an error advises, without the sudo of those that are root already.
pub fn advised(line: &str) -> Vec<String> {
    let commands = line.split('`').skip(1).step_by(2);
    commands.map(|command| command.replace("sudo ", "")).collect()
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

    /// The launcher: the process that a reader has started.
    pub fn launcher(&self) -> Pid {
        Pid::from_raw(self.launcher.id() as i32)
    }

    /// The launcher's descendants, eldest first: from stage 02 on `ns_init`, then the shell.
    pub fn descendants(&self) -> Vec<Pid> {
        probe::descendants(self.launcher())
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

/// Returns the path of `program`, found in `PATH`, or skips the test.
pub fn need(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| skip(&format!("needs the program {program}")))
}

/// Whether `program` is in `PATH`.
pub fn has(program: &str) -> bool {
    find(program).is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}
