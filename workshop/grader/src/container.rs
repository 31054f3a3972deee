//! A learner's function in a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe, Location};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

use anyhow::Result;
use common::reexec;
use nix::libc::c_long;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid, pause, read, write};
use serde::Serialize;
use serde::de::DeserializeOwned;
use testbed::{cgroup, probe};

use crate::host::{Host, namespaces};
use crate::place;
use crate::watch::{Call, Listener, announce};

/// How long a learner's function may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a function in another process can return.
pub trait Value: Serialize + DeserializeOwned {}
impl<T: Serialize + DeserializeOwned> Value for T {}

/// What comes back from the other process: an error as its words, and the lines that it has come from.
type Returned<T> = Result<T, (String, Vec<usize>)>;

/// The child of [`Host::park`]: runs the function when it is told to, and tells what it has returned.
///
/// - `file`: where the function is, by which the lines are found that an error has come from.
/// - `watched`: the calls that are announced before they are made, and to whom.
pub(crate) fn learn<T: Value>(
    function: impl FnOnce() -> Result<T>,
    file: &str,
    hold: OwnedFd,
    report: OwnedFd,
    watched: Option<(&[c_long], UnixStream)>,
) -> ! {
    let this = getpid();
    // End of file: the test has ended.
    if read(&hold, &mut [0]) != Ok(1) {
        process::exit(1);
    }
    if let Some((calls, to)) = watched {
        // Where that is not to be had, the function is judged by what it leaves alone.
        let _ = announce(calls, &to);
    }
    let result = panic::catch_unwind(AssertUnwindSafe(function));
    if getpid() != this {
        // A child of the function, which so has returned twice.
        process::exit(0);
    }
    let Ok(result) = result else { process::exit(101) };
    let result = result.map_err(|error| (format!("{error:#}"), place::lines(&error, file)));
    let mut line = serde_json::to_string(&result).expect("a value");
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

/// A process that waits before the learner's function.
pub struct Parked<'a, T> {
    host: &'a Host,
    process: Process,
    release: OwnedFd,
    outcome: OwnedFd,
    /// Where its calls are announced.
    calls: Option<UnixStream>,
    value: PhantomData<T>,
}

impl<'a, T: Value> Parked<'a, T> {
    pub(crate) fn new(
        host: &'a Host,
        process: Process,
        release: OwnedFd,
        outcome: OwnedFd,
        calls: Option<UnixStream>,
    ) -> Parked<'a, T> {
        Parked { host, process, release, outcome, calls, value: PhantomData }
    }

    /// Its process id, as the host sees it.
    pub fn pid(&self) -> Pid {
        self.process.pid
    }

    /// Lets the function begin, and returns when it has returned.
    ///
    /// # Panics
    ///
    /// As [`Host::start`].
    #[track_caller]
    pub fn release(self) -> Container<T> {
        self.release_watched(&mut |_| {})
    }

    /// As [`Parked::release`], for a learner's function: what it leaves on the host, and in which namespaces, is
    /// compared with what was there before.
    #[track_caller]
    pub(crate) fn release_judged(self, look: &mut dyn FnMut(&Call)) -> Container<T> {
        let host = self.host;
        let (before, state) = (namespaces(self.pid()), host.state());
        let container = self.release_watched(look);
        host.judge_all(container.pid(), &before, state);
        container
    }

    #[track_caller]
    fn release_watched(self, look: &mut dyn FnMut(&Call)) -> Container<T> {
        let _ = write(&self.release, &[1]);
        let listener = self.calls.as_ref().and_then(Listener::receive);
        let deadline = Instant::now() + PATIENCE;
        loop {
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
                Some(listener) if asked(1) => listener.answer(look),
                _ => break,
            }
        }
        let mut line = Vec::new();
        BufReader::new(File::from(self.outcome)).read_until(b'\n', &mut line).expect("a line");
        if line.is_empty() {
            self.host.fail("Your function has ended its process instead of returning.");
        }
        let returned = serde_json::from_slice::<Returned<T>>(&line).unwrap_or_else(|_| {
            self.host.fail("Your function has written to a descriptor that is not its own.")
        });
        match returned {
            Ok(value) => Container { process: self.process, value },
            Err((error, lines)) => {
                let place = place::show(&lines, Location::caller().file());
                self.host.fail(&format!("Your function has returned an error: {error}{place}"))
            }
        }
    }
}

/// A process in which a learner's function has returned.
pub struct Container<T> {
    process: Process,
    /// What the function has returned.
    pub value: T,
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
