//! The harness: runs each test of a program as the users that it is for, in namespaces of its own.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, io};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::unistd::{Pid, alarm, chdir, getegid, geteuid};

use common::check::{check, init_logging};
use common::reexec;
use testbed::host::{self, HOSTNAME, ORDINARY, one_id};
use testbed::{cgroup, reading};

use crate::beside::{self, Beside};
use crate::needs::{self, CGROUP, ROOT, SKIPPED, skip, skipped};
use crate::steps::Step;
use crate::{Stage, Traits, advice, escape, every_stage, queues, reach, restart, tracer, typist};

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
    /// None for a test of `common` alone.
    program: Option<PathBuf>,
    traits: Traits,
    /// Whether each test is in a cgroup of its own.
    cgroup: bool,
    beside: &'static [Beside],
    tests: Vec<Test>,
    /// For a stage that somebody is writing, to each test the numbers of the `TODO`s, and where to read.
    steps: Vec<(&'static str, &'static str)>,
}

impl Suite {
    /// Returns tests that need no cgroup and no other program.
    fn of(program: Option<&str>, traits: Traits, tests: Vec<Test>) -> Suite {
        let program = program.map(PathBuf::from);
        Suite { program, traits, cgroup: false, beside: &[], tests, steps: Vec::new() }
    }
}

/// Runs the tests of a stage: those that every stage with its traits has to pass, and its own. The only thing in the
/// `main` of a test program that has `harness = false`.
///
/// - `program`: what Cargo has built, `env!("CARGO_BIN_EXE_...")`.
pub fn stage(traits: Traits, program: &str, own: Vec<Test>) -> ExitCode {
    let mut tests = if env::var_os("TEST_OWN_ONLY").is_some() {
        Vec::new()
    } else {
        every_stage::tests(&traits)
    };
    tests.extend(own);
    let cgroup = traits.has("cgroup");
    run(Suite { cgroup, ..Suite::of(Some(program), traits, tests) })
}

/// Runs the tests of a program that is no stage, likewise.
///
/// - `cgroup`: whether each test is in a cgroup of its own.
/// - `beside`: programs of other packages that the tests start. They are built first, unless `STAGE_PROGRAM` says where
///   all of them lie.
pub fn program(
    program: &str,
    cgroup: bool,
    beside: &'static [Beside],
    tests: Vec<Test>,
) -> ExitCode {
    run(Suite { cgroup, beside, ..Suite::of(Some(program), NO_STAGE, tests) })
}

/// Runs the tests of a library, likewise.
pub fn library(tests: Vec<Test>) -> ExitCode {
    run(Suite::of(None, NO_STAGE, tests))
}

/// Runs the tests of a stage that somebody is writing, one after the other, up to the first that fails.
pub(crate) fn try_steps(traits: Traits, program: &str, steps: Vec<Step>) -> ExitCode {
    let (tests, steps) = steps.into_iter().map(|step| (step.test, (step.todo, step.read))).unzip();
    let cgroup = traits.has("cgroup");
    run(Suite { cgroup, steps, ..Suite::of(Some(program), traits, tests) })
}

const NO_STAGE: Traits = Traits { namespaces: &[], sets_hostname: false, root_directory: false };

fn run(mut suite: Suite) -> ExitCode {
    init_logging();
    if let Some(program) = env::var_os("STAGE_PROGRAM") {
        suite.program = suite.program.map(|_| program.into());
    }
    // Not by reexec::dispatch: some of these are started by others than reexec::command.
    let entry_points: [(&str, reexec::Entrypoint<Suite>); 11] = [
        ("enclose", enclose),
        ("outer", outer),
        ("inner", inner),
        ("test", test),
        (escape::PROGRAM, escape::main),
        (queues::PROGRAM, queues::main),
        (reach::PROGRAM, reach::main),
        (advice::PROGRAM, advice::main),
        (restart::PROGRAM, restart::main),
        (tracer::PROGRAM, tracer::main),
        (typist::PROGRAM, typist::main),
    ];
    // Those that are may find signals held back for what they are to start.
    SigSet::empty().thread_set_mask().expect("an empty set is a good one");
    let name = reexec::entry_point().or_else(|| env::args().next()).unwrap_or_default();
    let entry_point = entry_points.iter().find(|(known, _)| *known == name);
    check(entry_point.map_or(run_all as reexec::Entrypoint<Suite>, |(_, start)| *start)(&suite))
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
    if !suite.steps.is_empty() {
        return Ok(run_steps(suite));
    }
    let mut trials = Vec::new();
    for test in &suite.tests {
        for who in test.who.iter().copied() {
            let name = test.name.clone();
            trials.push(Trial::ignorable_test(format!("{who}: {name}"), move || {
                run_in_process(who, &name)
            }));
        }
    }
    let arguments = Arguments::from_args();
    if !arguments.list {
        beside::build(suite.beside)?;
    }
    Ok(needs::run(arguments, trials))
}

/// Runs the steps in their order. The first that fails is the only one that is shown.
fn run_steps(suite: &Suite) -> ExitCode {
    // As an ordinary user, which everybody can.
    let who = if suite.traits.has("user") { As::User } else { As::Rootless };
    for (test, (todo, read)) in suite.tests.iter().zip(&suite.steps) {
        let name = &test.name;
        match run_in_process(who, name) {
            Ok(Completion::Completed) => println!("TODO {todo}: {name}"),
            Ok(Completion::Ignored { reason }) => {
                let reason = reason.unwrap_or_default();
                println!("TODO {todo}: {name}: not tried here, as it {reason}");
            }
            Err(failed) => {
                let said = failed.message().unwrap_or_default();
                // The first line is the exit status of the test.
                let said = said.split_once('\n').map_or(said, |(_, said)| said).trim_end();
                eprintln!("\nTODO {todo}: {name}\n\n{said}\n{}\n", reading::say(read));
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Runs one test in a process of its own.
fn run_in_process(who: As, name: &str) -> Result<Completion, Failed> {
    if who == As::Root && !geteuid().is_root() {
        return skipped(ROOT);
    }
    in_process("enclose", &[&who.to_string(), name]).map(|(completion, _)| completion)
}

/// Starts this program again, at the entry point of this name, and takes its exit status for the outcome of a test.
/// Returns also what it has written to standard output.
pub fn in_process(entry_point: &str, args: &[&str]) -> Result<(Completion, String), Failed> {
    let output = Command::new("/proc/self/exe")
        .arg0(entry_point)
        .args(args)
        .stdin(Stdio::null())
        .output()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0) => Ok((Completion::Completed, stdout)),
        Some(code) if code == i32::from(SKIPPED) => {
            skipped(said.trim()).map(|completion| (completion, stdout))
        }
        // As a shell has it: the signal has ended the last of a test's processes.
        Some(code) if code == 128 + Signal::SIGALRM as i32 => {
            Err(Failed::from(format!("still running after {} s\n{said}", timeout())))
        }
        _ => Err(Failed::from(format!("{}\n{said}", output.status))),
    }
}

/// Seconds after which a test is stuck.
fn timeout() -> u32 {
    testbed::timeout().as_secs().try_into().unwrap_or(u32::MAX)
}

/// The user and the name of the test that [`run_in_process`] has put on the command line.
fn chosen(suite: &Suite) -> Result<(As, &Test)> {
    let [who, name] = env::args().skip(1).collect::<Vec<_>>().try_into().ok().context("usage")?;
    let who = As::ALL.into_iter().find(|known| known.to_string() == who).context("no such user")?;
    let test = suite.tests.iter().find(|test| test.name == name).context("no such test")?;
    Ok((who, test))
}

/// The first entry point of a test: makes the outer namespaces, and the cgroup.
fn enclose(suite: &Suite) -> Result<ExitCode> {
    let mut command = reexec::command("outer").same_session().cloneflag(host::NAMESPACES);
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
    if !suite.cgroup {
        return command.run();
    }
    let owner = (root && who != As::Root).then_some(ORDINARY);
    let cgroup = cgroup::Own::make("pids", owner)
        .unwrap_or_else(|error| skip(&format!("{CGROUP} ({error:#}): sudo tests/as-user COMMAND")));
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

/// The second: process 1 of the outer PID namespace, root in it. Dresses the namespaces up as a host.
fn outer(suite: &Suite) -> Result<ExitCode> {
    let (who, _) = chosen(suite)?;
    // /tmp may be where it was built, and is about to be covered.
    let programs = open_programs(suite)?;
    host::dress_up(HOSTNAME, host::protect_files)?;
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
    let Some(program) = &suite.program else { return Ok(Vec::new()) };
    beside::open(program, program_name(suite), suite.beside)
}

fn program_name(suite: &Suite) -> &OsStr {
    let name = suite.program.as_ref().and_then(|program| program.file_name());
    name.unwrap_or(OsStr::new("none"))
}

/// The third: has the user id that the test asks for.
fn inner(suite: &Suite) -> Result<ExitCode> {
    let (who, _) = chosen(suite)?;
    let command = reexec::command("test").same_session();
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

/// The last: the test.
fn test(suite: &Suite) -> Result<ExitCode> {
    let (who, test) = chosen(suite)?;
    alarm::set(timeout());
    chdir("/").context("chdir")?;
    if who == As::Rootless {
        // A mount namespace of another user namespace gets slaves: mount_namespaces(7).
        host::share_all_mounts()?;
    }
    (test.run)(&Stage {
        traits: suite.traits,
        program: Path::new(PROGRAMS).join(program_name(suite)),
        who,
    });
    Ok(ExitCode::SUCCESS)
}
