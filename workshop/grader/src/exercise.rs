//! Exercises of the workshop: a learner's function runs on a throw-away host, and the kernel is asked what it
//! has done.
//!
//! ```no_run
//! use grader::exercise;
//! use nix::sched::{CloneFlags, unshare};
//!
//! exercise::as_root("uts_namespaces(7)", |host| {
//!     let container = host.start(|| Ok(unshare(CloneFlags::CLONE_NEWUTS)?));
//!     host.shows("the container's UTS namespace", container.namespace("uts"))
//!         .should_not_be(host.namespace("uts"));
//! });
//! ```
//!
//! The host is made of namespaces, as those around a stage's tests, and whoever starts it is an ordinary user
//! there: root of the machine becomes one before. Nothing of the machine can be written to but what the test
//! gets: a `/tmp` of its own and, where it asks for one, a cgroup.
//!
//! libtest runs a test in a thread, where unshare(2) and setns(2) say EINVAL. So this program starts itself
//! again, and the second life runs the test before `main`, alone in its process.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode, Stdio};
use std::{env, ptr};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{
    ForkResult, Pid, alarm, chdir, fork, getegid, geteuid, getpid, pause, pipe2, read, sethostname,
    write,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use common::reexec;
use testbed::host::{HOSTNAME, ORDINARY, one_id, share_all_mounts};
use testbed::{cgroup, probe};

const NONE: Option<&str> = None;

/// Seconds that a learner's function may take.
const PATIENCE: u16 = 10;

/// Seconds after which a test is stuck.
const TIMEOUT: u32 = 60;

/// The words that a test fails with where the machine lacks what it takes.
pub const NEEDS: &str = "This exercise needs";

/// Those where no cgroup can be had.
pub const NEEDS_A_CGROUP: &str = "This exercise needs a cgroup of your own";

/// Runs `test` as root of a throw-away host. That is an ordinary user in a user namespace, as under
/// `cargo rootless`.
///
/// - `read`: where to read when it fails: a chapter of the book, a page of the manual.
///
/// # Panics
///
/// When the test fails. The test must not use variables of its surroundings, as it runs in another process.
pub fn as_root<F: Fn(&Host) + Copy>(read: &str, test: F) {
    Sheet::new(read, test).run();
}

/// Runs `test` as an ordinary user of a throw-away host: for exercises that make user namespaces. Arguments
/// and panics are those of [`as_root`].
pub fn as_user<F: Fn(&Host) + Copy>(read: &str, test: F) {
    Sheet { user: true, ..Sheet::new(read, test) }.run();
}

/// Runs `test` as an ordinary user of the machine itself: for what a user namespace shows only where it is not
/// in another one of an ordinary user's. In such a one setgroups(2) is denied, and to all below it.
///
/// No namespace is around it. What it starts is ended, and nothing else is taken back. Arguments and panics are
/// those of [`as_root`].
pub fn on_the_machine<F: Fn(&Host) + Copy>(read: &str, test: F) {
    Sheet { machine: true, ..Sheet::new(read, test) }.run();
}

/// Runs `test` as root of a throw-away host with a cgroup that may be written to: [`Host::cgroup`].
///
/// - `controller`: what the cgroup's children have, such as pids, on cgroup v1 or v2: cgroups(7). With
///   freezer it is what version 2 has instead.
///
/// The other arguments and panics are those of [`as_root`]. Where no cgroup can be had, it says how to get one.
pub fn with_cgroup<F: Fn(&Host) + Copy>(controller: &str, read: &str, test: F) {
    Sheet { controller: Some(controller.into()), ..Sheet::new(read, test) }.run();
}

/// What one life of a test's process leaves to the next.
#[derive(Serialize, Deserialize)]
struct Sheet {
    /// Where the test is in this program's memory, counted from [`before_main`].
    test: isize,
    /// Where to read when it fails.
    read: String,
    /// Whether it is run as an ordinary user.
    user: bool,
    /// Whether it is run without a host around it.
    machine: bool,
    /// The controller of the cgroup that it gets.
    controller: Option<String>,
    /// The cgroup that it has got.
    cgroup: Option<PathBuf>,
    /// The ids of the user who runs it.
    ids: (u32, u32),
}

/// The environment variable with the [`Sheet`].
const SHEET: &str = "EXERCISE_SHEET";

/// What a process does in one of its lives.
type Life = fn(&mut Sheet) -> Result<ExitCode>;

/// The lives of a test's process after the one in libtest, by `argv[0]`.
const LIVES: [(&str, Life); 4] =
    [("enclose", enclose), ("launch", launch), ("outer", outer), ("test", test)];

impl Sheet {
    fn new<F: Fn(&Host) + Copy>(read: &str, _: F) -> Sheet {
        const { assert!(size_of::<F>() == 0, "a test uses no variables of its surroundings") };
        Sheet {
            test: (call::<F> as *const () as isize).wrapping_sub(origin()),
            read: read.into(),
            user: false,
            machine: false,
            controller: None,
            cgroup: None,
            ids: (0, 0),
        }
    }

    /// Runs the test in a process of its own, and judges by what it says in the end.
    fn run(&self) {
        let output = self.life("enclose").output().expect("this program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        match said.strip_suffix(DONE) {
            Some(said) if output.status.success() => eprint!("{said}"),
            // Not a panic, which would say where in this file it was.
            _ => {
                eprintln!("\n{}\n", said.trim_end());
                panic::resume_unwind(Box::new("the test has failed"))
            }
        }
    }

    /// Returns a command that starts this program again.
    fn life(&self, name: &str) -> Command {
        let mut command = Command::new("/proc/self/exe");
        // Without its sheet it would be libtest again. Then it starts no test.
        command.arg0(name).arg("--list").env(SHEET, self.to_json()).stdin(Stdio::null());
        command
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("it has no map with keys of other types")
    }
}

/// What the last life says in the end: a process can have the status 0 for many reasons.
const DONE: &str = "\nThe kernel shows what it should.\n";

/// A test as a function without a type of its own.
fn call<F: Fn(&Host) + Copy>(host: &Host) {
    // SAFETY: a value of this type has no bytes, and there has been one: the argument of `Sheet::new`.
    let test = unsafe { ptr::NonNull::<F>::dangling().as_ref() };
    test(host);
}

/// Calls [`before_main`] when the program has been loaded, before `main`, while there is no other thread.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

/// The address that the others are counted from, which is another one in each process.
fn origin() -> isize {
    // Read so that the linker keeps it.
    // SAFETY: a static is there to be read.
    let origin = unsafe { ptr::read_volatile(&raw const BEFORE_MAIN) };
    origin as *const () as isize
}

/// Does nothing, or is all that this process does: one of [`LIVES`].
extern "C" fn before_main() {
    let Some(sheet) = env::var_os(SHEET) else { return };
    // Nothing may unwind from here.
    let status = panic::catch_unwind(|| {
        let mut sheet: Sheet = serde_json::from_slice(sheet.as_encoded_bytes())?;
        let name = env::args().next().context("no name")?;
        let life = LIVES.iter().find(|(known, _)| *known == name);
        // Those that reexec starts have signals held back.
        SigSet::empty().thread_set_mask().context("unblock signals")?;
        let (name, life) = life.context("no such life")?;
        // Otherwise /proc shows all of them as "exe".
        prctl::set_name(&std::ffi::CString::new(*name)?).context("set the name of the process")?;
        life(&mut sheet)
    });
    let code = match status {
        Ok(Ok(code)) => i32::from(code != ExitCode::SUCCESS),
        Ok(Err(error)) => {
            eprintln!("{}", common::check::explained(&error));
            1
        }
        Err(_) => 1,
    };
    process::exit(code)
}

/// Second life: still on the machine. Makes the cgroup, and is an ordinary user from then on.
fn enclose(sheet: &mut Sheet) -> Result<ExitCode> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("end with libtest")?;
    let root = geteuid().is_root();
    sheet.ids = if root { (ORDINARY, ORDINARY) } else { (geteuid().as_raw(), getegid().as_raw()) };
    let Some(cgroup) = sheet.make_cgroup(root)? else { return sheet.launch_as_user() };
    let status = cgroup.occupy(|| sheet.launch_as_user());
    cgroup.remove()?;
    status
}

impl Sheet {
    fn make_cgroup(&mut self, root: bool) -> Result<Option<cgroup::Own>> {
        let Some(controller) = &self.controller else { return Ok(None) };
        let own = cgroup::Own::make(controller, root.then_some(ORDINARY))
            .with_context(|| no_cgroup(controller, root))?;
        own.enable_for_children()?;
        self.cgroup = Some(own.directory.clone());
        Ok(Some(own))
    }

    fn launch_as_user(&self) -> Result<ExitCode> {
        let mut launch = self.life("launch");
        if geteuid().is_root() {
            launch.uid(self.ids.0).gid(self.ids.1);
        }
        let status = launch.status().context("start this program as an ordinary user")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

/// Third life: makes the namespaces that play the host.
fn launch(sheet: &mut Sheet) -> Result<ExitCode> {
    if sheet.machine {
        return launch_on_the_machine(sheet);
    }
    if let (Some(cgroup), Some(controller)) = (&mut sheet.cgroup, &sheet.controller) {
        // Made by the user, all of its files are theirs, and not only those that are delegated.
        let own = cgroup::Own::of(cgroup, controller).child("exercise")?;
        own.enable_for_children()?;
        *cgroup = own.directory;
    }
    reexec::command("outer")
        .env(SHEET, sheet.to_json())
        .cloneflag(CloneFlags::CLONE_NEWUSER)
        .cloneflag(CloneFlags::CLONE_NEWNS)
        .cloneflag(CloneFlags::CLONE_NEWUTS)
        .cloneflag(CloneFlags::CLONE_NEWIPC)
        .cloneflag(CloneFlags::CLONE_NEWNET)
        .cloneflag(CloneFlags::CLONE_NEWPID)
        .uid_mappings(&one_id(0, sheet.ids.0))
        .gid_mappings(&one_id(0, sheet.ids.1))
        .run()
}

/// Starts the test where this process is, and ends all that it leaves.
fn launch_on_the_machine(sheet: &Sheet) -> Result<ExitCode> {
    // Whose parent has ended, becomes a child of this one.
    prctl::set_child_subreaper(true).context("become the parent of orphans")?;
    let test = reexec::command("test").env(SHEET, sheet.to_json()).start()?.release()?;
    let status = test.wait();
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

/// Fourth life: process 1 of the host, and root there. Dresses the namespaces up.
fn outer(sheet: &mut Sheet) -> Result<ExitCode> {
    sethostname(HOSTNAME).context("set the hostname")?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).context("privacy")?;
    protect_files(sheet.cgroup.as_deref())?;
    mount(Some("tmp"), "/tmp", Some("tmpfs"), MsFlags::empty(), NONE).context("mount /tmp")?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE).context("mount /proc")?;
    share_all_mounts()?;
    chdir("/").context("chdir")?;
    let mut command = reexec::command("test");
    if sheet.user {
        // In the host's user namespace the one user is root. Here they get their own id back.
        command = command
            .cloneflag(CloneFlags::CLONE_NEWUSER)
            .uid_mappings(&one_id(sheet.ids.0, 0))
            .gid_mappings(&one_id(sheet.ids.1, 0));
    }
    let test = command.start()?.release()?;
    loop {
        let (process, status) = reexec::wait_for(None).context("wait for a process")?;
        if process == test.pid() {
            // This process is the last one to have a say: with it all of the namespace ends.
            if let Some(cgroup) = &sheet.cgroup {
                cgroup::thaw(cgroup);
            }
            return Ok(status);
        }
    }
}

/// Makes all mounts read-only, but for the cgroup.
fn protect_files(cgroup: Option<&Path>) -> Result<()> {
    set_read_only(Path::new("/"), true).context("make all files read-only")?;
    let Some(cgroup) = cgroup else { return Ok(()) };
    mount(Some(cgroup), cgroup, NONE, MsFlags::MS_BIND, NONE).context("bind the cgroup")?;
    set_read_only(cgroup, false).context("make the cgroup writable")
}

/// Sets or clears the flag on this mount and all below: mount_setattr(2).
fn set_read_only(mount_point: &Path, read_only: bool) -> Result<()> {
    let path = std::ffi::CString::new(mount_point.as_os_str().as_encoded_bytes())?;
    let (set, clear) =
        if read_only { (libc::MOUNT_ATTR_RDONLY, 0) } else { (0, libc::MOUNT_ATTR_RDONLY) };
    let attributes =
        libc::mount_attr { attr_set: set, attr_clr: clear, propagation: 0, userns_fd: 0 };
    // SAFETY: the kernel reads a string and a structure of the size that it is told.
    let result = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of_val(&attributes),
        )
    });
    match result {
        // Linux 5.11 is the oldest that the stages run on, and does not know the call yet.
        Err(Errno::ENOSYS) => Ok(()),
        result => Ok(result.map(drop)?),
    }
}

/// Last life: the test.
fn test(sheet: &mut Sheet) -> Result<ExitCode> {
    alarm::set(TIMEOUT);
    // Programs that a learner starts are none of these lives.
    // SAFETY: this process has one thread.
    unsafe { env::remove_var(SHEET) };
    panic::set_hook(Box::new(|panic| eprintln!("{}", message(panic))));
    let address = origin().wrapping_add(sheet.test) as *const ();
    // SAFETY: the same file is executed, so this is where `call` is that `Sheet::new` has counted to.
    let test = unsafe { std::mem::transmute::<*const (), fn(&Host)>(address) };
    test(&Host {
        read: sheet.read.clone(),
        cgroup: sheet.cgroup.clone(),
        controller: sheet.controller.clone().unwrap_or_default(),
        this: getpid(),
    });
    eprint!("{DONE}");
    Ok(ExitCode::SUCCESS)
}

/// What a panic says. Where it was, only matters to those that are not ours.
fn message(panic: &PanicHookInfo) -> String {
    let payload = panic.payload();
    let owned = || payload.downcast_ref().map(String::as_str);
    let said = payload.downcast_ref().copied().or_else(owned).unwrap_or("a panic");
    match panic.location() {
        Some(place) if !said.contains("\nRead ") => format!("{place}: {said}"),
        _ => said.to_owned(),
    }
}

/// A throw-away host, on which a test runs.
pub struct Host {
    read: String,
    cgroup: Option<PathBuf>,
    /// What its cgroup is there for.
    controller: String,
    this: Pid,
}

impl Host {
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
    /// [`as_user`], who may make no namespace.
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
                let process = Process { pid: child, cgroup: self.cgroup.clone() };
                Parked { host: self, process, release, outcome, _value: std::marker::PhantomData }
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

/// What a function in another process can return.
pub trait Value: Serialize + DeserializeOwned {}
impl<T: Serialize + DeserializeOwned> Value for T {}

/// The child of [`Host::park`]: runs the function when it is told to, and tells what it has returned.
fn learn<T: Value>(function: impl FnOnce() -> Result<T>, hold: OwnedFd, report: OwnedFd) -> ! {
    let this = getpid();
    // End of file: the test has ended.
    if read(&hold, &mut [0]) != Ok(1) {
        process::exit(1);
    }
    let result = panic::catch_unwind(AssertUnwindSafe(function));
    if getpid() != this {
        // A child of the function, which so has returned twice.
        process::exit(0);
    }
    let Ok(result) = result else { process::exit(101) };
    let result = result.map_err(|error| format!("{error:#}"));
    let mut line = serde_json::to_string(&result).expect("a value");
    line.push('\n');
    let _ = File::from(report).write_all(line.as_bytes());
    loop {
        pause();
    }
}

/// A process of the host. Dropped, it is killed.
struct Process {
    pid: Pid,
    /// The host's, where it may be frozen.
    cgroup: Option<PathBuf>,
}

impl Process {
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
    _value: std::marker::PhantomData<T>,
}

impl<T: Value> Parked<'_, T> {
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
        let _ = write(&self.release, &[1]);
        let ready = {
            let mut outcome = [PollFd::new(self.outcome.as_fd(), PollFlags::POLLIN)];
            poll(&mut outcome, PollTimeout::from(PATIENCE * 1000)).expect("poll")
        };
        if ready == 0 {
            self.host.fail(&format!("Your function has not returned in {PATIENCE} seconds."));
        }
        let mut line = String::new();
        BufReader::new(File::from(self.outcome)).read_line(&mut line).expect("a line");
        if line.is_empty() {
            self.host.fail("Your function has ended its process instead of returning.");
        }
        match serde_json::from_str::<Result<T, String>>(&line).expect("a value of this type") {
            Ok(value) => Container { process: self.process, value },
            Err(error) => self.host.fail(&format!("Your function has returned an error: {error}")),
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

/// What the kernel shows, to be compared with what it should show.
pub struct Shows<'a> {
    host: &'a Host,
    what: String,
    value: String,
}

impl Shows<'_> {
    /// Fails where it is not this value.
    #[track_caller]
    pub fn should_be(&self, value: impl Display) {
        self.judge(self.value == value.to_string(), "", &value);
    }

    /// Fails where it is this value.
    #[track_caller]
    pub fn should_not_be(&self, value: impl Display) {
        self.judge(self.value != value.to_string(), "not ", &value);
    }

    /// Fails where this is no part of the value.
    #[track_caller]
    pub fn should_have(&self, part: impl Display) {
        self.judge(self.value.contains(&part.to_string()), "something with ", &part);
    }

    /// Fails where this is a part of the value.
    #[track_caller]
    pub fn should_not_have(&self, part: impl Display) {
        self.judge(!self.value.contains(&part.to_string()), "nothing with ", &part);
    }

    #[track_caller]
    fn judge(&self, right: bool, relation: &str, value: &dyn Display) {
        if right {
            return;
        }
        let indented = |text: &str| text.trim_end().replace('\n', "\n                    ");
        self.host.fail(&format!(
            "Wrong: {}.\n  the kernel shows  {}\n  it should show    {relation}{}",
            self.what,
            indented(&self.value),
            indented(&value.to_string())
        ));
    }
}
