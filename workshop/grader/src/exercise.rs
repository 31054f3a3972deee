//! How a test gets its throw-away host.
//!
//! The host is made of namespaces, as those around a stage's tests, and whoever starts it is an ordinary user
//! there: root of the machine becomes one before. Nothing of the machine can be written to but what the test
//! gets: a `/tmp` of its own and, where it asks for one, a cgroup.
//!
//! libtest runs a test in one of several threads, where unshare(2) says EINVAL, and where a lock that another
//! thread holds at a fork(2) is never given back. So a test starts its own program again, for itself alone, and forks
//! there: the one other thread waits for it, and the child has one thread.

use std::panic::{self, AssertUnwindSafe, Location, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::{env, fs};

use anyhow::{Context, Error, Result};
use common::check::explained;
use common::reexec;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Uid, alarm, geteuid, getpid, setgid, setgroups, setsid, setuid};
use testbed::host::ORDINARY;
use testbed::{cgroup, probe, reading};

use crate::child::Child;
pub use crate::container::{Container, Parked};
use crate::host::LeftOut;
pub use crate::host::{Host, NEEDS, NEEDS_CGROUP_V2, target};
use crate::place::{self, Source};
use crate::throw_away;
use crate::verdict::Verdict;

/// Seconds after which a test is stuck.
const TIMEOUT: u32 = 60;

/// The words that a test fails with where no cgroup can be had.
pub const NEEDS_A_CGROUP: &str = "This exercise needs a cgroup of your own";

/// Runs `test` as root of a throw-away host. That is an ordinary user in a user namespace, as under
/// `cargo rootless`.
///
/// - `read`: where to read when it fails: a chapter of the book, a page of the manual.
///
/// # Panics
///
/// When the test fails.
#[track_caller]
pub fn as_root(read: &str, test: impl FnOnce(&Host)) {
    Exercise::new(read).run(Box::new(test));
}

/// Runs `test` as an ordinary user of a throw-away host: for exercises that make user namespaces. Arguments
/// and panics are those of [`as_root`].
#[track_caller]
pub fn as_user(read: &str, test: impl FnOnce(&Host)) {
    Exercise { user: true, ..Exercise::new(read) }.run(Box::new(test));
}

/// Runs `test` as an ordinary user of the machine itself: for what a user namespace shows only where it is not
/// in another one of an ordinary user's. In such a one setgroups(2) is denied, and to all below it.
///
/// No namespace is around it. What it starts is ended, and nothing else is taken back. Arguments and panics are
/// those of [`as_root`].
#[track_caller]
pub fn on_the_machine(read: &str, test: impl FnOnce(&Host)) {
    Exercise { machine: true, ..Exercise::new(read) }.run(Box::new(test));
}

/// Runs `test` as root of a throw-away host with a cgroup that may be written to: [`Host::cgroup`].
///
/// - `controller`: what the cgroup's children have, such as pids, on cgroup v1 or v2: cgroups(7). With
///   freezer it is what version 2 has instead.
///
/// The other arguments and panics are those of [`as_root`]. Where no cgroup can be had, it says how to get one.
#[track_caller]
pub fn with_cgroup(controller: &str, read: &str, test: impl FnOnce(&Host)) {
    Exercise { controller: Some(controller), ..Exercise::new(read) }.run(Box::new(test));
}

/// A test. As a type of its own, each would have a copy of all below, and they are many.
type Test<'a> = Box<dyn FnOnce(&Host) + 'a>;

/// What a test asks for.
struct Exercise<'a> {
    /// The learner's file, which has the test as well.
    file: &'static str,
    /// Where to read when it fails. Found before root becomes an ordinary user, who may not read the book in root's home.
    read: String,
    /// Whether it is run as an ordinary user.
    user: bool,
    /// Whether it is run without a host around it.
    machine: bool,
    /// The controller of the cgroup that it gets.
    controller: Option<&'a str>,
}

impl<'a> Exercise<'a> {
    #[track_caller]
    fn new(read: &str) -> Exercise<'a> {
        let file = Location::caller().file();
        let read = reading::say(read);
        Exercise { file, read, user: false, machine: false, controller: None }
    }

    /// Runs the test in a child of this process, if no other test runs in it, or of the same program's.
    fn run(&self, test: Test) {
        if threads() > 1 && env::var_os(ALONE).is_none() {
            return run_alone();
        }
        let passed = self.run_in_child(test).unwrap_or_else(|error| {
            eprintln!("{}", told(&error));
            false
        });
        if !passed {
            fail();
        }
    }

    /// Runs the test in a child, and returns whether it has come to its end.
    fn run_in_child(&self, test: Test) -> Result<bool> {
        let verdict = Verdict::new()?;
        let source = Source::read(self.file);
        let root = geteuid().is_root();
        let cgroup = self.make_cgroup(root)?;
        let directory = cgroup.as_ref().map(|cgroup| cgroup.directory.clone());
        let run = || {
            let child = Child::fork(c"launch", || {
                // A signal to a process group does not stop at a PID namespace: kill(2). In this one there is nobody else.
                setsid().context("setsid")?;
                become_ordinary(root)?;
                let judged = |host: &Host| {
                    let judged = panic::catch_unwind(AssertUnwindSafe(|| {
                        test(host);
                        host.judge();
                    }));
                    if let Err(reason) = judged {
                        if !reason.is::<LeftOut>() {
                            panic::resume_unwind(reason);
                        }
                    }
                    verdict.pass();
                };
                self.surround(directory, source, Box::new(judged))
            })?;
            child.wait()
        };
        let status = match &cgroup {
            Some(cgroup) => cgroup.occupy(run)?,
            None => run()?,
        };
        cgroup.map_or(Ok(()), |cgroup| cgroup.remove())?;
        if ![ExitCode::SUCCESS, ExitCode::FAILURE].contains(&status) {
            eprintln!(
                "\nA signal has ended the test: your function has sent it to more than its own processes.\n"
            );
        }
        // Each of them could be had otherwise.
        Ok(verdict.has_passed()? && status == ExitCode::SUCCESS)
    }

    fn make_cgroup(&self, root: bool) -> Result<Option<cgroup::Own>> {
        let Some(controller) = self.controller else { return Ok(None) };
        let own = cgroup::Own::make(controller, root.then_some(ORDINARY))
            .with_context(|| no_cgroup(controller, root))?;
        own.enable_for_children()?;
        Ok(Some(own))
    }

    /// Makes what is around the test, as an ordinary user, and runs it there.
    fn surround(&self, cgroup: Option<PathBuf>, source: Source, test: Test) -> Result<ExitCode> {
        if self.machine {
            return run_on_the_machine(|| self.judge(None, source, test));
        }
        let cgroup = cgroup.map(|cgroup| self.child_of(&cgroup)).transpose()?;
        let directory = cgroup.as_deref();
        throw_away::run(directory, self.user, || self.judge(cgroup.clone(), source, test))
    }

    /// Makes a cgroup below the test's. Made by the user, all of its files are theirs, and not only those that
    /// are delegated.
    fn child_of(&self, cgroup: &Path) -> Result<PathBuf> {
        let controller = self.controller.context("a cgroup is made for a controller")?;
        let own = cgroup::Own::of(cgroup, controller).child("exercise")?;
        own.enable_for_children()?;
        Ok(own.directory)
    }

    /// Runs the test, in this process.
    fn judge(&self, cgroup: Option<PathBuf>, source: Source, test: Test) -> Result<ExitCode> {
        alarm::set(TIMEOUT);
        place::remember();
        let (test_process, said) = (getpid(), Arc::new(Mutex::new(None)));
        let to = said.clone();
        panic::set_hook(Box::new(move |panic| match to.lock() {
            Ok(mut to) if getpid() == test_process => *to = Some(message(panic)),
            // A process that the test has started.
            _ => eprintln!("\n{}\n", placed(panic)),
        }));
        let host = Host::new(&self.read, source, cgroup, self.controller, self.user, self.machine);
        let result = panic::catch_unwind(AssertUnwindSafe(|| test(&host)));
        if let Some(said) = said.lock().ok().and_then(|mut said| said.take()) {
            eprintln!(
                "\n{}\n",
                said.unwrap_or_else(|surprise| host.surprised(&surprise)).trim_end()
            );
        }
        Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Fails the test. Not with a panic's message, which would say where in this file it was.
fn fail() -> ! {
    panic::resume_unwind(Box::new("the test has failed"))
}

/// How many threads this process has.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// The words of a failure whose error has lines that it has come from.
pub(crate) const RETURNED: &str = "returned an error: ";

/// The environment variable that is set when a program of tests has been started for one of them.
const ALONE: &str = "EXERCISE_ALONE";

/// Runs the test that this thread runs, which libtest has named it after, once more, without others beside it.
fn run_alone() {
    let name = thread::current().name().expect("libtest names its threads").to_owned();
    let run = |with_lines: bool| {
        let mut this = Command::new("/proc/self/exe");
        this.args(["--exact", &name, "--include-ignored", "--nocapture", "--test-threads=1"]);
        this.env(ALONE, "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if !with_lines {
            place::leave_out(&mut this);
        }
        this.output().expect("this program starts")
    };
    // To find the lines of an error takes longer than most tests. So it is done when there is one.
    let mut output = run(false);
    if place::is_wanted() && String::from_utf8_lossy(&output.stderr).contains(RETURNED) {
        output = Some(run(true)).filter(|again| !again.status.success()).unwrap_or(output);
    }
    // Again for libtest, which shows it with the test that it belongs to.
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        fail();
    }
}

/// Makes root an ordinary user of the machine.
fn become_ordinary(root: bool) -> Result<()> {
    if root {
        setgroups(&[]).context("setgroups")?;
        setgid(Gid::from_raw(ORDINARY)).context("setgid")?;
        setuid(Uid::from_raw(ORDINARY)).context("setuid")?;
        // A process that has changed its user has files in /proc that are root's: proc(5), prctl(2).
        prctl::set_dumpable(true).context("own /proc/self")?;
    }
    // Here, since a change of the user forgets it.
    prctl::set_pdeathsig(Signal::SIGKILL).context("end with the test's parent")
}

/// Returns an error as a learner reads it: what [`no_cgroup`] says has lines with commands.
fn told(error: &Error) -> String {
    let said = error.to_string();
    match said.starts_with(NEEDS_A_CGROUP) {
        true => format!("{said}: {}", error.root_cause()),
        false => explained(error),
    }
}

/// Says how to get a cgroup.
fn no_cgroup(controller: &str, root: bool) -> String {
    let how = if root {
        "As you are root already, the machine keeps the controller to itself. With cgroup v2 and systemd:\n    \
         sudo -E systemd-run --scope -p Delegate=yes env \"PATH=$PATH\" rustlings\n\
         (or `cargo test --bin ...` for `rustlings`). In a container, its engine decides: try the host itself."
    } else {
        "With cgroup v2 and systemd:\n    systemd-run --user --scope -p Delegate=yes rustlings\n\
         (or `cargo test --bin ...` for `rustlings`). Otherwise as root, where your function still is an \
         ordinary user's:\n    sudo -E env \"PATH=$PATH\" rustlings"
    };
    format!("{NEEDS_A_CGROUP}, with the controller {controller}.\n{how}\nThe kernel's answer was")
}

/// Runs the test where this process is, and ends all that it leaves.
fn run_on_the_machine(test: impl FnOnce() -> Result<ExitCode>) -> Result<ExitCode> {
    // A process whose parent has ended becomes a child of this one.
    prctl::set_child_subreaper(true).context("become the parent of orphans")?;
    let status = Child::fork(c"test", test)?.wait();
    loop {
        for orphan in probe::children(getpid()) {
            let _ = kill(orphan, Signal::SIGKILL);
        }
        match reexec::wait_for(None) {
            Ok(_) => continue,
            Err(Errno::ECHILD) => return status,
            Err(error) => return Err(error).context("wait for what the test has left"),
        }
    }
}

/// What a failure says, or, as an error, a panic that nobody has thought of.
fn message(panic: &PanicHookInfo) -> Result<String, String> {
    let said = said(panic);
    if said.contains("\nRead ") { Ok(said.to_owned()) } else { Err(placed(panic)) }
}

/// What a panic says, and where it was.
pub(crate) fn placed(panic: &PanicHookInfo) -> String {
    let place = panic.location().map_or_else(String::new, |place| format!(", at {place}"));
    format!("{}{place}", said(panic).trim_end())
}

fn said<'a>(panic: &'a PanicHookInfo) -> &'a str {
    let payload = panic.payload();
    let owned = || payload.downcast_ref().map(String::as_str);
    payload.downcast_ref().copied().or_else(owned).unwrap_or("a panic")
}
