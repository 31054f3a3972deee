//! A learner's function in a process of its own.

use std::fs::{self, File};
use std::io::Write;
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use common::reexec;
use nix::libc::c_long;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, getpid, pause, read, write};
use serde::Serialize;
use serde::de::DeserializeOwned;
use testbed::{cgroup, probe};

use crate::exercise;
use crate::host::{Host, namespaces};
use crate::own::{self, Lines};
use crate::place::Source;
use crate::watch::{Call, Listener, announce};

/// How long a learner's function may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a function in another process can return.
pub trait Value: Serialize + DeserializeOwned {}
impl<T: Serialize + DeserializeOwned> Value for T {}

/// A function whose value is JSON. Of one kind for all, which are many: generic code would be compiled for each of them.
pub(crate) type Function<'a> = Box<dyn FnOnce() -> Result<String> + 'a>;

/// The child of [`Host::park`]: runs the function when it is told to, and tells what it has returned.
///
/// - `source`: where the function is, by which the lines are found that an error has come from.
/// - `watched`: the calls that are announced before they are made, and to whom.
pub(crate) fn learn(
    function: Function,
    source: &Source,
    hold: OwnedFd,
    report: OwnedFd,
    watched: Option<(&[c_long], UnixStream)>,
) -> ! {
    let this = getpid();
    let _ = write(&report, b"!");
    // End of file: the test has ended.
    if read(&hold, &mut [0]) != Ok(1) {
        process::exit(1);
    }
    if let Some((calls, to)) = watched {
        // Where that is not to be had, the function is judged by what it leaves alone.
        let _ = announce(calls, &to);
    }
    let before = own::told();
    // What a panic says is part of the report.
    let said = Arc::new(Mutex::new(String::new()));
    let to = said.clone();
    panic::set_hook(Box::new(move |panic| match to.lock() {
        Ok(mut to) if getpid() == this => *to = exercise::placed(panic),
        // A child of the function.
        _ => eprintln!("\n{}\n", exercise::placed(panic)),
    }));
    let result = panic::catch_unwind(AssertUnwindSafe(function));
    if getpid() != this {
        // A child of the function, which so has returned twice.
        process::exit(0);
    }
    let result = match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err((format!("{}{error:#}", exercise::RETURNED), source.lines(&error))),
        Err(_) => {
            let said = said.lock().map_or(String::new(), |said| said.clone());
            Err((format!("panicked: {said}"), Vec::new()))
        }
    };
    let told = [before, own::told()];
    let mut line = serde_json::to_string(&(result, told)).expect("a value");
    line.push('\n');
    let _ = File::from(report).write_all(line.as_bytes());
    loop {
        pause();
    }
}

/// A process of the host. Dropped, it is killed.
pub(crate) struct Process {
    pid: Pid,
    /// The host's, where it may be frozen.
    cgroup: Option<PathBuf>,
}

impl Process {
    pub(crate) fn new(pid: Pid, cgroup: Option<PathBuf>) -> Process {
        Process { pid, cgroup }
    }

    /// Says why no line comes from it, after the pipe has been closed for it.
    fn why_silent(&self) -> String {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        for _ in 0..40 {
            match waitid(Id::Pid(self.pid), look) {
                // It closes what it has open before it has ended.
                Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(25)),
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    return format!(
                        "Your function's process has been ended by a signal: {signal}."
                    );
                }
                _ => {
                    return "Your function has ended its process instead of returning, or has executed another \
                            program in it, which has ended."
                        .into();
                }
            }
        }
        let own = |pid| fs::read_link(format!("/proc/{pid}/exe")).ok();
        if own(self.pid) == own(getpid()) {
            "Your function has closed descriptors that are not its own.".into()
        } else {
            "Your function has executed another program in its place instead of returning.".into()
        }
    }

    /// Whether its freezer is one of these.
    fn is_below(&self, cgroup: &Path) -> bool {
        let own = cgroup::of_controller(self.pid, "freezer");
        own.is_some_and(|own| own.starts_with(cgroup))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it is gone, which is what they are for.
        let _ = kill(self.pid, Signal::SIGKILL);
        if let Some(cgroup) = self.cgroup.as_deref().filter(|cgroup| self.is_below(cgroup)) {
            cgroup::thaw(cgroup);
        }
        let _ = reexec::wait_for(Some(self.pid));
    }
}

/// A process that waits before a function, whatever that returns.
pub(crate) struct Waiting<'a> {
    host: &'a Host,
    process: Process,
    release: OwnedFd,
    outcome: OwnedFd,
    /// Where its calls are announced.
    calls: Option<UnixStream>,
}

/// What a process has told of its function: the value as JSON or what has become of it instead, and what the process has
/// of its own, before and afterwards.
type Report = (Result<String, (String, Vec<usize>)>, [Lines; 2]);

impl<'a> Waiting<'a> {
    pub(crate) fn new(
        host: &'a Host,
        process: Process,
        release: OwnedFd,
        outcome: OwnedFd,
        calls: Option<UnixStream>,
    ) -> Waiting<'a> {
        Waiting { host, process, release, outcome, calls }
    }

    /// Lets a learner's function begin, and returns its process and its value when it has returned. What it leaves on the
    /// host, and in which namespaces, is compared with what was there before.
    #[track_caller]
    pub(crate) fn release_judged(self, look: &mut dyn FnMut(&Call)) -> (Process, String) {
        let (host, watched) = (self.host, self.calls.is_some());
        let pid = self.process.pid;
        let (before, state, own) = (namespaces(pid), host.state(), own::seen(pid));
        let containers = host.containers();
        let (process, value, told) = self.release(look);
        host.judge_all(pid, &before, state, containers);
        host.judge_own([&own, &own::seen(pid)], [&told[0], &told[1]], watched);
        host.judge_programs(pid, &own);
        (process, value)
    }

    /// Lets a function begin that nobody judges, and returns its process and its value when it has returned.
    #[track_caller]
    pub(crate) fn release_unjudged(self) -> (Process, String) {
        let (process, value, _) = self.release(&mut |_| {});
        (process, value)
    }

    #[track_caller]
    fn release(self, look: &mut dyn FnMut(&Call)) -> (Process, String, [Lines; 2]) {
        let _ = write(&self.release, &[1]);
        let listener = self.calls.as_ref().and_then(Listener::receive);
        let line = self.line(listener, look);
        if line.is_empty() {
            self.host.fail(&self.process.why_silent());
        }
        let (returned, told) = serde_json::from_slice::<Report>(&line).unwrap_or_else(|_| {
            self.host.fail("Your function has written to a descriptor that is not its own.")
        });
        match returned {
            Ok(value) => (self.process, value, told),
            Err((error, lines)) => {
                let place = self.host.source.show(&lines);
                self.host.fail(&format!("Your function has {error}{place}"))
            }
        }
    }

    /// Waits for the line that the process tells, while it answers its calls.
    #[track_caller]
    fn line(&self, listener: Option<Listener>, look: &mut dyn FnMut(&Call)) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut polled = vec![PollFd::new(self.outcome.as_fd(), PollFlags::POLLIN)];
            let calls = listener.iter();
            polled.extend(
                calls.map(|calls| PollFd::new(calls.descriptor().as_fd(), PollFlags::POLLIN)),
            );
            let timeout = PollTimeout::try_from(left).expect("some seconds");
            if poll(&mut polled, timeout).expect("poll") == 0 {
                let seconds = PATIENCE.as_secs();
                self.host.fail(&format!("Your function has not returned in {seconds} seconds."));
            }
            let asked = |index: usize| {
                let events = polled.get(index).and_then(PollFd::revents);
                events.is_some_and(|events| events.contains(PollFlags::POLLIN))
            };
            match &listener {
                // What the function has told comes first: who goes on to make calls may do so for ever.
                Some(listener) if asked(1) && !asked(0) => listener.answer(look),
                _ => {
                    let mut part = [0; 4096];
                    match read(&self.outcome, &mut part).expect("a part of a line") {
                        0 => break,
                        bytes => line.extend(&part[..bytes]),
                    }
                }
            }
        }
        line
    }
}

/// A process that waits before the learner's function.
pub struct Parked<'a, T> {
    pub(crate) waiting: Waiting<'a>,
    value: PhantomData<T>,
}

impl<'a, T: Value> Parked<'a, T> {
    pub(crate) fn new(waiting: Waiting<'a>) -> Parked<'a, T> {
        Parked { waiting, value: PhantomData }
    }

    /// Its process id, as the host sees it.
    pub fn pid(&self) -> Pid {
        self.waiting.process.pid
    }

    /// Lets the function begin, and returns when it has returned.
    ///
    /// # Panics
    ///
    /// As [`Host::start`].
    #[track_caller]
    pub fn release(self) -> Container<T> {
        Container::new(self.waiting.release_unjudged())
    }
}

/// A process in which a learner's function has returned.
pub struct Container<T> {
    process: Process,
    /// What the function has returned.
    pub value: T,
}

impl<T: Value> Container<T> {
    /// - `returned`: the process, and the value as JSON.
    pub(crate) fn new(returned: (Process, String)) -> Container<T> {
        let (process, json) = returned;
        let value = serde_json::from_str(&json).expect("what serde has written, it reads");
        Container { process, value }
    }
}

impl<T> Container<T> {
    /// Its process id, as the host sees it.
    pub fn pid(&self) -> Pid {
        self.process.pid
    }

    /// Returns the identity of one of its namespaces, as in `uts:[4026531838]`. The kinds are the names in
    /// /proc/PID/ns: namespaces(7).
    #[track_caller]
    pub fn namespace(&self, kind: &str) -> String {
        probe::namespace(self.pid(), kind).display().to_string()
    }

    /// Reads a file of its directory in /proc, such as `mounts`; nothing when it has ended.
    pub fn read(&self, file: &str) -> String {
        probe::read(self.pid(), file)
    }

    /// Opens a file of its directory in /proc, such as `ns/uts`.
    #[track_caller]
    pub fn open(&self, file: &str) -> File {
        File::open(format!("/proc/{}/{file}", self.pid())).expect("the process is there")
    }

    /// Returns its children, which the function has started.
    pub fn children(&self) -> Vec<Pid> {
        probe::children(self.pid())
    }
}
