//! The throw-away host, as a test sees it.

use std::env;
use std::fmt::Display;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{ForkResult, Pid, fork, getpid, pipe2};
use testbed::{cgroup, probe};

use crate::container::{Container, Parked, Process, Value, learn};
use crate::shows::Shows;

/// The words that a test fails with where the machine lacks what it takes.
pub const NEEDS: &str = "This exercise needs";

/// A throw-away host, on which a test runs.
pub struct Host {
    read: String,
    cgroup: Option<PathBuf>,
    /// What its cgroup is there for.
    controller: String,
    this: Pid,
}

impl Host {
    /// Returns the host that this process is on.
    pub(crate) fn new(read: &str, cgroup: Option<PathBuf>, controller: Option<&str>) -> Host {
        let controller = controller.unwrap_or_default().into();
        Host { read: read.into(), cgroup, controller, this: getpid() }
    }

    /// Runs a learner's function in a process of its own, and returns when it has returned. The process is
    /// still there then.
    ///
    /// # Panics
    ///
    /// When the function returns an error, panics, or does not return in time.
    #[track_caller]
    pub fn start<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> Container<T> {
        self.park(function).release()
    }

    /// As [`Host::start`], for what a function returns alone.
    #[track_caller]
    pub fn run<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> T {
        self.start(function).value
    }

    /// As [`Host::start`], in process 1 of a new PID namespace. The /proc there is the host's. Not for
    /// [`as_user`](crate::exercise::as_user), who may make no namespace.
    #[track_caller]
    pub fn start_as_init<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> Container<T> {
        // The test itself stays: only its next children are born there.
        unshare(CloneFlags::CLONE_NEWPID).expect("the host's root may do that");
        let parked = self.park(function);
        let own = File::open("/proc/self/ns/pid").expect("/proc is mounted");
        setns(own, CloneFlags::CLONE_NEWPID).expect("its own namespace");
        parked.release()
    }

    /// Makes the process for a learner's function, which waits there until it is released.
    #[track_caller]
    pub fn park<T: Value>(&self, function: impl FnOnce() -> Result<T>) -> Parked<'_, T> {
        let (hold, release) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        let (outcome, report) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        assert_eq!(getpid(), self.this, "only the test starts functions");
        // SAFETY: this process has one thread, so that the child has all of it.
        match unsafe { fork() }.expect("fork") {
            ForkResult::Parent { child } => {
                let process = Process::new(child, self.cgroup.clone());
                Parked::new(self, process, release, outcome)
            }
            ForkResult::Child => {
                drop((release, outcome));
                learn(function, hold, report)
            }
        }
    }

    /// Runs `probe` in the namespaces of `container`, as nsenter(1) does.
    #[track_caller]
    pub fn inside<T, V: Value>(&self, container: &Container<T>, probe: impl FnOnce() -> V) -> V {
        let pid = container.pid();
        let kinds = ["user", "mnt", "uts", "ipc", "net", "cgroup"];
        let others =
            kinds.into_iter().filter(|kind| container.namespace(kind) != self.namespace(kind));
        let files: Vec<File> = others
            .map(|kind| File::open(format!("/proc/{pid}/ns/{kind}")).expect("the process is there"))
            .collect();
        self.run(|| {
            for file in &files {
                setns(file, CloneFlags::empty()).context("enter the container")?;
            }
            Ok(probe())
        })
    }

    /// Returns the identity of a namespace of the host, as in `uts:[4026531838]`.
    #[track_caller]
    pub fn namespace(&self, kind: &str) -> String {
        probe::namespace(self.this, kind).display().to_string()
    }

    /// Reads a file of /proc/PID of the test's own process, such as `mounts`.
    pub fn read(&self, file: &str) -> String {
        probe::read(self.this, file)
    }

    /// Returns the names of its network devices, as in `eth0 lo`.
    pub fn devices(&self) -> String {
        probe::devices(self.this)
    }

    /// Fails where a program is not installed: neither in `PATH`, nor in /usr/sbin, which an ordinary user's may
    /// lack.
    #[track_caller]
    pub fn need(&self, program: &str, package: &str) {
        let path = env::var_os("PATH").unwrap_or_default();
        let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        if !directories.map(|directory| directory.join(program)).any(|file| file.is_file()) {
            self.fail(&format!(
                "{NEEDS} the program {program}: `sudo apt install {package}`, or the like. Or leave it for now: \
                 `l` in Rustlings goes to another one."
            ));
        }
    }

    /// The cgroup that the test may write to, with all of its limits. The host's processes are in one beside it,
    /// whose name is `host`.
    #[track_caller]
    pub fn cgroup(&self) -> &Path {
        self.cgroup.as_deref().expect("exercise::with_cgroup gives one")
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
        panic!("{why}\nRead {}", self.read)
    }
}

/// Returns what a descriptor is for, as in `user:[4026531837]`.
pub fn target(descriptor: impl AsFd) -> String {
    let number = descriptor.as_fd().as_raw_fd();
    let link = fs::read_link(format!("/proc/self/fd/{number}"));
    link.map_or_else(|error| error.to_string(), |link| link.display().to_string())
}
