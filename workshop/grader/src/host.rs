//! The throw-away host, as a test sees it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::env;
use std::fmt::Display;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::panic;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::host_facts::is_installed;
use nix::fcntl::OFlag;
use nix::libc::c_long;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{ForkResult, Pid, fork, getpid, pipe2, read};
use testbed::{cgroup, probe};

use crate::container::{Container, Function, Parked, Process, Value, Waiting, learn};
use crate::containers::Containers;
use crate::moment::{self, Mounts, Network};
use crate::place::Source;
use crate::queues;
use crate::shows::Shows;
use crate::state::State;
use crate::verdict;
use crate::watch::{Call, WRITES};

/// The words that a test fails with where the machine lacks what it takes.
pub const NEEDS: &str = "This exercise needs";

/// The words that a test fails with where the machine has the older cgroups.
pub const NEEDS_CGROUP_V2: &str = "This exercise needs cgroup v2";

/// What a test ends with that this machine can't run, where it is left out.
pub(crate) struct LeftOut;

/// A throw-away host, on which a test runs.
pub struct Host {
    /// The learner's file.
    pub(crate) source: Source,
    pub(crate) read: String,
    cgroup: Option<PathBuf>,
    /// What its cgroup is there for.
    controller: String,
    this: Pid,
    /// The kinds of namespaces that a learner's function may make or enter.
    pub(crate) kinds: RefCell<Vec<String>>,
    /// What a learner's function may change, as the lines begin that say so.
    pub(crate) may_leave: RefCell<Vec<String>>,
    /// What a learner's function may mount in a container, as the lines begin that say so.
    pub(crate) inside: RefCell<Vec<String>>,
    /// Whether a learner's calls are none of the grader's business.
    unwatched: Cell<bool>,
    /// Whether functions are an ordinary user's.
    user: bool,
    /// Whether it is the machine itself, where others change things, too.
    machine: bool,
    pub(crate) faults: RefCell<Vec<String>>,
}

impl Host {
    /// Returns the host that this process is on.
    pub(crate) fn new(
        read: &str,
        source: Source,
        cgroup: Option<PathBuf>,
        controller: Option<&str>,
        user: bool,
        machine: bool,
    ) -> Host {
        let controller = controller.unwrap_or_default().into();
        Host {
            read: read.into(),
            source,
            cgroup,
            controller,
            this: getpid(),
            kinds: RefCell::default(),
            may_leave: RefCell::default(),
            inside: RefCell::default(),
            unwatched: Cell::default(),
            user,
            machine,
            faults: RefCell::default(),
        }
    }

    /// Says which kinds of namespaces the learner's functions of this test may make or enter, by their names in
    /// /proc/PID/ns. Before that they may leave none of the host's.
    pub fn may_change(&self, kinds: &[&str]) {
        self.kinds.borrow_mut().extend(kinds.iter().map(|kind| (*kind).to_owned()));
    }

    /// Says what the learner's functions of this test may change, on the host and of their own: the lines of a failure up to
    /// the end of a name, such as `+ file: /tmp/letter`, which has all that is below it, `+ mount:` or `own umask`,
    /// which has both signs. Before that they may leave no trace.
    pub fn may_leave(&self, changes: &[&str]) {
        self.may_leave.borrow_mut().extend(changes.iter().map(|change| (*change).to_owned()));
    }

    /// Says what the learner's next functions may mount in a container that they make, beside what it has of the host's: one mount
    /// for each, as in `/tmp, rw` or `/proc, rw, proc`; `/tmp, rw,` is one that programs may be executed on. Before that they may
    /// mount nothing there, and in any case take nothing away, unless [`Host::may_leave`] has `- mounted inside:`.
    pub fn may_mount_inside(&self, mounts: &[&str]) {
        *self.inside.borrow_mut() = mounts.iter().map(|mount| (*mount).to_owned()).collect();
    }

    /// Keeps the calls of this test's functions from being watched, for who wants to see the filters of a process alone.
    pub fn leave_unwatched(&self) {
        self.unwatched.set(true);
    }

    /// Runs a learner's function in a process of its own, and returns when it has returned. The process is
    /// still there then.
    ///
    /// # Panics
    ///
    /// When the function returns an error, panics, or does not return in time. In the end, when it has left or destroyed
    /// something on the host, or has made or entered a namespace, and was not allowed to.
    #[track_caller]
    pub fn start<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> Container<T> {
        Container::new(self.start_function(boxed(function)))
    }

    #[track_caller]
    fn start_function(&self, function: Function) -> (Process, String) {
        self.watch_function(&[], &mut |_| {}, function)
    }

    /// As [`Host::start`], for what the test itself does to play the host, or a container: nobody judges it.
    #[track_caller]
    pub fn play<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> Container<T> {
        Container::new(self.play_function(boxed(function)))
    }

    #[track_caller]
    fn play_function(&self, function: Function) -> (Process, String) {
        self.fork(function, &[]).release_unjudged()
    }

    /// As [`Host::start`], and calls `look` before each of these system calls is made, such as `libc::SYS_write`.
    #[track_caller]
    pub fn watch<T: Value>(
        &self,
        calls: &[c_long],
        mut look: impl FnMut(&Call),
        function: impl FnOnce() -> Result<T>,
    ) -> Container<T> {
        Container::new(self.watch_function(calls, &mut look, boxed(function)))
    }

    #[track_caller]
    fn watch_function(
        &self,
        calls: &[c_long],
        look: &mut dyn FnMut(&Call),
        function: Function,
    ) -> (Process, String) {
        let waiting = self.fork(function, &self.watched(calls));
        self.release_watched(waiting, calls, look)
    }

    /// Returns the calls that a learner's function is watched for, beside these. An ordinary user's calls change nothing of the
    /// host's.
    fn watched(&self, calls: &[c_long]) -> Vec<c_long> {
        let mut watched = calls.to_vec();
        if !self.unwatched.get() && !self.user && !self.machine {
            watched.extend(moment::calls());
        }
        watched.sort_unstable();
        watched.dedup();
        watched
    }

    /// Lets a learner's function begin, and hears of its calls: of some for `look`, and of others for what is done for a moment.
    #[track_caller]
    fn release_watched(
        &self,
        waiting: Waiting<'_>,
        calls: &[c_long],
        look: &mut dyn FnMut(&Call),
    ) -> (Process, String) {
        let mut done = None;
        let (mounts, network) = (Mounts::begin(), Network::begin());
        let returned = waiting.release_judged(&mut |call| {
            if calls.contains(&call.number) {
                look(call);
            }
            if done.is_none() && !self.unwatched.get() {
                done = moment::fault(call, self);
            }
        });
        if let Some((what, shown)) = done {
            self.note(self.shows(what, shown).wrong("", &"nothing"));
        }
        let network_has = "a device, an address, a route or a rule of its network";
        for (kind, has_changed, shown) in [
            ("+ mount:", mounts.have_changed(), "another mount, or one less"),
            ("+ link:", network.has_changed(), network_has),
        ] {
            if has_changed && !self.machine && !self.may_leave_a(kind) {
                self.note(self.shows(moment::DONE, shown).wrong("", &"nothing"));
            }
        }
        returned
    }

    /// As [`Host::start`], for what a function returns alone.
    #[track_caller]
    pub fn run<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> T {
        self.start(function).value
    }

    /// Runs a learner's function as [`Host::run`] does, and returns what a file of [`Host::cgroup`] shows at the moment
    /// before the function moves a process to the cgroup `container`.
    #[track_caller]
    pub fn at_the_move<T: Value>(
        &self,
        file: &str,
        function: impl FnOnce() -> Result<T>,
    ) -> String {
        self.shown_at_the_move(file, boxed(function))
    }

    #[track_caller]
    fn shown_at_the_move(&self, file: &str, function: Function) -> String {
        let destination = self.cgroup().join("container");
        let mut shown = None;
        let mut look = |call: &Call| {
            let moves = call.file.ends_with("cgroup.procs") || call.file.ends_with("tasks");
            if moves && call.file.parent() == Some(&destination) {
                shown.get_or_insert_with(|| self.read_cgroup(file));
            }
        };
        self.watch_function(&WRITES, &mut look, function);
        // Where the kernel does not tell of calls: what there is afterwards.
        shown.unwrap_or_else(|| self.read_cgroup(file))
    }

    /// As [`Host::start`], in process 1 of a new PID namespace. The /proc there is the host's. Not for
    /// [`as_user`](crate::exercise::as_user), who may make no namespace.
    #[track_caller]
    pub fn start_as_init<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> Container<T> {
        Container::new(self.start_function_as_init(boxed(function)))
    }

    #[track_caller]
    fn start_function_as_init(&self, function: Function) -> (Process, String) {
        let waiting = self.fork_as_init(function, &self.watched(&[]));
        self.release_watched(waiting, &[], &mut |_| {})
    }

    /// As [`Host::start_as_init`], for what the test itself does: nobody judges it.
    #[track_caller]
    pub fn play_as_init<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> Container<T> {
        Container::new(self.fork_as_init(boxed(function), &[]).release_unjudged())
    }

    /// Makes the process for a function, which waits there until it is released. What the function does is not
    /// judged.
    #[track_caller]
    pub fn park<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> Parked<'_, T> {
        Parked::new(self.fork(boxed(function), &[]))
    }

    /// As [`Host::fork`], with a process that is process 1 of a new PID namespace.
    #[track_caller]
    fn fork_as_init(&self, function: Function, watched: &[c_long]) -> Waiting<'_> {
        // The test itself stays: only its next children are born there.
        unshare(CloneFlags::CLONE_NEWPID).expect("the host's root may do that");
        let waiting = self.fork(function, watched);
        let own = File::open("/proc/self/ns/pid").expect("/proc is mounted");
        setns(own, CloneFlags::CLONE_NEWPID).expect("its own namespace");
        waiting
    }

    /// Makes the process for a function, where these calls are announced before they are made.
    #[track_caller]
    fn fork(&self, function: Function, watched: &[c_long]) -> Waiting<'_> {
        let watched = (!watched.is_empty()).then_some(watched);
        let (hold, release) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        let (outcome, report) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        let (calls, announcer) = watched.map(|_| UnixStream::pair().expect("sockets")).unzip();
        assert_eq!(getpid(), self.this, "only the test starts functions");
        // SAFETY: this process has one thread, so that the child has all of it.
        match unsafe { fork() }.expect("fork") {
            ForkResult::Parent { child } => {
                let process = Process::new(child, self.cgroup.clone());
                // Only when it has said that it is there, it can be looked at: fork(3) blocks signals for a moment.
                drop((hold, report, announcer));
                let _ = read(&outcome, &mut [0]);
                Waiting::new(self, process, release, outcome, calls)
            }
            ForkResult::Child => {
                drop((release, outcome, calls));
                verdict::close();
                queues::close();
                learn(function, &self.source, hold, report, watched.zip(announcer))
            }
        }
    }

    /// Returns the host as it is now. The machine itself is nobody's alone, and is not looked at.
    pub(crate) fn state(&self) -> Option<State> {
        (!self.machine).then(|| State::take(self.cgroup.as_deref()))
    }

    /// Returns what is in the containers of the host, as [`Host::state`] does for the host.
    #[track_caller]
    pub(crate) fn containers(&self) -> Option<Containers> {
        (!self.machine).then(|| Containers::take(self))
    }

    /// Runs `probe` in the namespaces of `container`, as nsenter(1) does.
    #[track_caller]
    pub fn inside<T, V: Value>(&self, container: &Container<T>, probe: impl FnOnce() -> V) -> V {
        self.inside_process(container.pid(), probe)
    }

    /// As [`Host::inside`], in the namespaces of any process.
    #[track_caller]
    pub fn inside_process<V: Value>(&self, pid: Pid, probe: impl FnOnce() -> V) -> V {
        let files = self.others(pid, &["user", "mnt", "uts", "ipc", "net", "cgroup"]);
        self.play(|| enter(&files).map(|()| probe())).value
    }

    /// As [`Host::inside_process`], in namespaces of these kinds alone; None where one may not be entered.
    #[track_caller]
    pub(crate) fn inside_if_allowed<V: Value>(
        &self,
        pid: Pid,
        kinds: &[&str],
        probe: impl FnOnce() -> V,
    ) -> Option<V> {
        let files = self.others(pid, &[&["user"], kinds].concat());
        self.play(|| Ok(enter(&files).ok().map(|()| probe()))).value
    }

    /// Opens those of a process's namespaces that are not the host's, by their names in /proc/PID/ns.
    #[track_caller]
    fn others(&self, pid: Pid, kinds: &[&str]) -> Vec<File> {
        let is_other = |kind: &&&str| {
            probe::namespace(pid, kind).display().to_string() != self.namespace(kind)
        };
        let open = |kind| File::open(format!("/proc/{pid}/ns/{kind}"));
        let others = kinds.iter().filter(is_other);
        others.map(|kind| open(kind).expect("the process is there")).collect()
    }

    /// Returns the identity of a namespace of the host, as in `uts:[4026531838]`.
    #[track_caller]
    pub fn namespace(&self, kind: &str) -> String {
        probe::namespace(self.this, kind).display().to_string()
    }

    /// Returns its namespaces, by their names in /proc/PID/ns.
    pub(crate) fn namespaces(&self) -> BTreeMap<String, String> {
        namespaces(self.this)
    }

    /// Reads a file of /proc/PID of the test's own process, such as `mounts`.
    pub fn read(&self, file: &str) -> String {
        probe::read(self.this, file)
    }

    /// Returns the names of its network devices, as in `eth0 lo`.
    pub fn devices(&self) -> String {
        probe::devices(self.this)
    }

    /// Fails where a program is not installed.
    #[track_caller]
    pub fn need(&self, program: &str, package: &str) {
        if !is_installed(program) {
            self.fail(&format!(
                "{NEEDS} the program {program}: `sudo apt install {package}`, or the like. Or leave it for now: \
                 `l` in Rustlings goes to another one."
            ));
        }
    }

    /// Fails where [`Host::cgroup`] is one of version 1. With the environment variable `LEAVE_OUT` that counts as passed: a
    /// check of all exercises, on whatever machine it is, asks for that.
    #[track_caller]
    pub fn need_cgroup_v2(&self) {
        // The core of version 2 has this file, and version 1 has none of its name.
        if !self.cgroup().join("cgroup.events").exists() {
            if env::var_os("LEAVE_OUT").is_some() {
                panic::resume_unwind(Box::new(LeftOut));
            }
            self.fail(&format!(
                "{NEEDS_CGROUP_V2}, and here is v1: start the machine with systemd.unified_cgroup_hierarchy=1 on \
                 the kernel's command line. Or leave it for now: `l` in Rustlings goes to another one."
            ));
        }
    }

    /// The cgroup that the test may write to, with all of its limits. The host's processes are in one beside it,
    /// whose name is `host`.
    #[track_caller]
    pub fn cgroup(&self) -> &Path {
        self.cgroup.as_deref().expect("exercise::with_cgroup gives one")
    }

    /// As [`Host::cgroup`], where the test has one.
    pub(crate) fn cgroup_or_none(&self) -> Option<&Path> {
        self.cgroup.as_deref()
    }

    /// Reads a file of [`Host::cgroup`], or of one below.
    #[track_caller]
    pub fn read_cgroup(&self, file: &str) -> String {
        let text = fs::read_to_string(self.cgroup().join(file));
        text.map_or_else(|error| error.to_string(), |text| text.trim_end().to_owned())
    }

    /// Returns the cgroup of a process, as a path from [`Host::cgroup`] on. As in /proc/PID/cgroup, one beside it
    /// begins with `/..` (cgroup_namespaces(7)).
    #[track_caller]
    pub fn cgroup_of(&self, process: Pid) -> String {
        let own = cgroup::of_controller(process, &self.controller).unwrap_or_default();
        let (cgroup, beside) = (self.cgroup(), self.cgroup().parent());
        match (own.strip_prefix(cgroup), beside.and_then(|beside| own.strip_prefix(beside).ok())) {
            (Ok(below), _) => format!("/{}", below.display()),
            (_, Some(other)) => format!("/../{}", other.display()),
            _ => own.display().to_string(),
        }
    }

    /// Begins a comparison of what the kernel shows: `what`, in the words of a sentence, and its value.
    pub fn shows<T: Display>(&self, what: &str, value: T) -> Shows<'_> {
        Shows { host: self, what: what.into(), value: value.to_string() }
    }

    /// Ends the test as failed, with where to read.
    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        panic!("{why}\n{}", self.read)
    }
}

/// Returns a function as one whose value is JSON.
fn boxed<'a, T: Value>(function: impl FnOnce() -> Result<T> + 'a) -> Function<'a> {
    Box::new(|| Ok(serde_json::to_string(&function()?)?))
}

/// Enters namespaces, one after the other.
fn enter(namespaces: &[File]) -> Result<()> {
    namespaces
        .iter()
        .try_for_each(|file| setns(file, CloneFlags::empty()).context("enter the container"))
}

/// Returns the namespaces of a process, by their names in /proc/PID/ns. One that has just ended has none.
pub(crate) fn namespaces(process: Pid) -> BTreeMap<String, String> {
    let files = fs::read_dir(format!("/proc/{process}/ns")).into_iter().flatten().flatten();
    let named = files.filter_map(|file| {
        let namespace = fs::read_link(file.path()).ok()?;
        Some((file.file_name().into_string().ok()?, namespace.display().to_string()))
    });
    named.collect()
}

/// Returns what a descriptor is for, as in `user:[4026531837]`.
pub fn target(descriptor: impl AsFd) -> String {
    let number = descriptor.as_fd().as_raw_fd();
    let link = fs::read_link(format!("/proc/self/fd/{number}"));
    link.map_or_else(|error| error.to_string(), |link| link.display().to_string())
}
