//! Starts a program, this one included, in new namespaces.
//!
//! A container is set up from the inside: its hostname, its mounts, its root directory. So the program
//! starts itself a second time, in new namespaces and under another name, and [`dispatch`] tells the two
//! lives apart by that name (`argv[0]`). Go programs have to do it that way, since a Go process is always
//! multi-threaded and cannot run its own code between clone and execve; here it keeps that step plain.
//!
//! Between clone(2) and execve(2) a child is [`Parked`]: its namespaces are there, and it waits. That is
//! when its parent writes its id maps, and from stage 06 on connects its network and sets its limits.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use anyhow::Result;
//! use common::{check, reexec};
//! use nix::sched::CloneFlags;
//!
//! fn main() -> ExitCode {
//!     check::init_logging();
//!     check::check(reexec::dispatch(&(), &[("inside", inside)], outside))
//! }
//!
//! fn outside(_: &()) -> Result<ExitCode> {
//!     reexec::command("inside").cloneflag(CloneFlags::CLONE_NEWUTS).run()
//! }
//!
//! fn inside(_: &()) -> Result<ExitCode> {
//!     nix::unistd::sethostname("nshost")?;
//!     reexec::Command::new("/bin/sh").run()
//! }
//! ```

use std::env;
use std::ffi::{CString, OsStr, OsString, c_char};
use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::ptr;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, clone};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, chdir, close, pipe2, read, write};

use crate::signals;
use crate::terminal::{self, Terminal};

/// A function that a program can start with. Its result is the program's.
pub type Entrypoint<A> = fn(&A) -> Result<ExitCode>;

/// Bytes of stack for the cloned child. It only calls [`Child::execute`], which needs a few hundred.
const STACK_SIZE: usize = 64 * 1024;

/// Calls the entry point that this process was started for.
///
/// - `args`: what the entry points get; the command line, parsed.
/// - `table`: names and entry points for [`command`].
/// - `start`: the entry point when `argv[0]` is none of these names: a person has started the program.
///
/// # Errors
///
/// Those of the entry point.
pub fn dispatch<A>(
    args: &A,
    table: &[(&str, Entrypoint<A>)],
    start: Entrypoint<A>,
) -> Result<ExitCode> {
    let name = env::args_os().next().unwrap_or_default();
    match table.iter().find(|(entry, _)| name == *entry) {
        // A program that somebody has given such a name starts at the start: it is in the host's namespaces.
        Some((entry, entrypoint)) if signals::are_held() => {
            // Otherwise ps(1) shows the last part of the path that was executed: "exe".
            prctl::set_name(&c_string(entry)?).context("set the name of the process")?;
            entrypoint(args)
        }
        _ => start(args),
    }
}

/// Returns a command that starts this program again, at the entry point `name` of [`dispatch`].
///
/// It gets the arguments that this process got, and so parses the same command line. Those added with
/// [`Command::args`] come before them.
pub fn command(name: &str) -> Command {
    Command {
        // A name for the file that this process executes, whatever has become of its path: proc(5).
        program: "/proc/self/exe".into(),
        argv0: name.into(),
        inherited_args: env::args_os().skip(1).collect(),
        // Our own code passes the signal on, and cleans up.
        ending: Signal::SIGTERM,
        ..Command::new("")
    }
}

/// One range of user or group ids of a new user namespace: user_namespaces(7), section "User and group
/// ID mappings".
#[derive(Clone, Copy, Debug)]
pub struct IdMap {
    /// First id inside.
    pub container_id: u32,
    /// First id in the user namespace of the caller.
    pub host_id: u32,
    /// How many ids, from these on.
    pub size: u32,
}

/// A program to start, and the namespaces that it starts in. Like [`std::process::Command`], with clone
/// flags.
#[derive(Clone, Debug)]
pub struct Command {
    program: PathBuf,
    argv0: OsString,
    args: Vec<OsString>,
    inherited_args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    current_dir: Option<PathBuf>,
    flags: CloneFlags,
    uid_mappings: Vec<IdMap>,
    gid_mappings: Vec<IdMap>,
    ending: Signal,
}

impl Command {
    /// Returns a command that executes the file `program`, with no arguments, the environment of this
    /// process, and no new namespace.
    ///
    /// There is no search in `PATH`.
    pub fn new(program: impl AsRef<Path>) -> Command {
        Command {
            program: program.as_ref().into(),
            argv0: program.as_ref().into(),
            args: Vec::new(),
            inherited_args: Vec::new(),
            env: env::vars_os().collect(),
            current_dir: None,
            flags: CloneFlags::empty(),
            uid_mappings: Vec::new(),
            gid_mappings: Vec::new(),
            // An interactive shell ignores SIGTERM.
            ending: Signal::SIGKILL,
        }
    }

    /// Adds an option and its value, if there is one.
    pub fn option(self, name: &str, value: Option<impl AsRef<OsStr>>) -> Command {
        match value {
            Some(value) => self.args([name.as_ref(), value.as_ref()]),
            None => self,
        }
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets one environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Command {
        self.env.retain(|(known, _)| known != name.as_ref());
        self.env.push((name.as_ref().into(), value.as_ref().into()));
        self
    }

    /// Drops all environment variables but those in `names`.
    pub fn env_keep(mut self, names: &[&str]) -> Command {
        self.env.retain(|(known, _)| names.iter().any(|name| known == name));
        self
    }

    /// Sets the directory that the program starts in.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Command {
        self.current_dir = Some(directory.as_ref().into());
        self
    }

    /// Adds one namespace to create: a `CLONE_NEW*` flag of clone(2).
    pub fn cloneflag(mut self, flag: CloneFlags) -> Command {
        self.flags |= flag;
        self
    }

    /// Sets the user ids of the new user namespace. Without, all are unmapped, and execve(2) drops every
    /// capability.
    pub fn uid_mappings(mut self, mappings: &[IdMap]) -> Command {
        self.uid_mappings = mappings.to_vec();
        self
    }

    /// Sets the group ids of the new user namespace. setgroups(2) is denied in it.
    pub fn gid_mappings(mut self, mappings: &[IdMap]) -> Command {
        self.gid_mappings = mappings.to_vec();
        self
    }

    /// Clones a child into its new namespaces and writes its id maps. It waits just before execve(2).
    ///
    /// From the first call on SIGTERM and SIGHUP end the child that was started last, and not this process;
    /// so do SIGINT and SIGQUIT before its program runs, and then they are ignored. All that is left to do
    /// here is to wait for the child, and to clean up.
    ///
    /// # Errors
    ///
    /// clone(2), mostly EPERM; or what the kernel says to the maps (user_namespaces(7)). The child is gone
    /// then.
    pub fn start(&self) -> Result<Parked> {
        let image = Image::new(self)?;
        let (hold, release) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        let (outcome, report) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        let terminal = Terminal::open();
        let held = signals::hold()?;
        let ours = self.ending == Signal::SIGTERM;
        let child = Child {
            image: &image,
            holding: ours,
            interactive: !ours && self.is_interactive_shell(),
            hold: &hold,
            release: release.as_raw_fd(),
            report: &report,
        };
        let mut stack = vec![0; STACK_SIZE];
        // SAFETY: without CLONE_VM the child has a copy of all memory, the stack included. It makes only
        // async-signal-safe calls and allocates nothing, so it is safe with other threads in the parent.
        let pid = unsafe {
            clone(Box::new(|| child.execute()), &mut stack, self.flags, Some(libc::SIGCHLD))
        }
        .context(Step::Clone(self.flags))?;
        let parked = Parked {
            program: self.program.clone(),
            child: Some(Running { pid, terminal }),
            release,
            outcome,
        };
        signals::watch(pid, self.ending)?;
        drop(held);
        log::debug!("cloned {pid} with {:?} for {:?}", self.flags, self.argv0);
        write_id_maps(pid, &self.uid_mappings, &self.gid_mappings)?;
        Ok(parked)
    }

    /// Whether the program is a shell with job control: by its name, no command or script among its
    /// arguments, and a terminal. Others could not be continued once Ctrl-Z has stopped them, were they not
    /// in the caller's process group.
    fn is_interactive_shell(&self) -> bool {
        let option = |arg: &OsString| {
            let arg = arg.as_encoded_bytes();
            arg.starts_with(b"--") || (arg.starts_with(b"-") && !arg.contains(&b'c'))
        };
        self.argv0.as_encoded_bytes().ends_with(b"sh")
            && self.args.iter().all(option)
            && terminal::is_interactive()
    }

    /// Starts the program and waits for its end: [`Command::start`], [`Parked::release`],
    /// [`Running::wait`].
    ///
    /// # Errors
    ///
    /// Those of the three.
    pub fn run(&self) -> Result<ExitCode> {
        self.start()?.release()?.wait()
    }
}

/// A child that has its namespaces and id maps, and waits just before execve(2). Dropped, it is killed.
#[derive(Debug)]
pub struct Parked {
    program: PathBuf,
    child: Option<Running>,
    release: OwnedFd,
    outcome: OwnedFd,
}

impl Parked {
    /// The child's process id, as its parent sees it.
    pub fn pid(&self) -> Pid {
        self.child.as_ref().expect("only release() takes the child").pid
    }

    /// Lets the child go, and returns when it executes its program.
    ///
    /// # Errors
    ///
    /// execve(2), such as ENOENT for a program that does not exist. The child is gone then.
    pub fn release(mut self) -> Result<Running> {
        // Fails when the child has been killed. Then so says its exit status.
        let _ = write(&self.release, &[1]);
        let mut report = Vec::new();
        File::from(self.outcome.try_clone().context("copy a descriptor")?)
            .read_to_end(&mut report)
            .context("hear from the child")?;
        // The other end closes with execve, or with the child's death.
        let Ok(report) = <[u8; REPORT_SIZE]>::try_from(report) else {
            signals::leave_job_control()?;
            return Ok(self.child.take().expect("only release() takes the child"));
        };
        let (call, errno) = Call::from_report(report);
        Err(errno).context(match call {
            Call::Execve => Step::Execve(self.program.clone()),
            call => Step::Prepare(call),
        })
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            signals::forget();
            // Both fail only if the child is gone, which is what they are for.
            let _ = kill(child.pid, Signal::SIGKILL);
            let _ = wait_for(Some(child.pid));
            child.take_terminal_back();
        }
    }
}

/// A child that executes its program.
pub struct Running {
    pid: Pid,
    terminal: Option<Terminal>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Running").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Running {
    /// The child's process id, as its parent sees it.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for the child's end, takes the terminal back from it, and returns its exit status, or 128+n
    /// when signal n has ended it.
    ///
    /// # Errors
    ///
    /// wait(2).
    pub fn wait(self) -> Result<ExitCode> {
        // WNOWAIT leaves a zombie, so that its id is no one else's while a signal may still be passed on.
        // SAFETY: a null pointer stands for a siginfo_t that nobody wants: waitid(2), notes.
        Errno::result(unsafe {
            let flags = libc::WEXITED | libc::WNOWAIT;
            libc::waitid(libc::P_PID, self.pid.as_raw() as libc::id_t, ptr::null_mut(), flags)
        })
        .context("wait for the child")?;
        signals::forget();
        let (_, status) = wait_for(Some(self.pid)).context("reap the child")?;
        self.take_terminal_back();
        Ok(status)
    }

    fn take_terminal_back(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.take_back(signals::have_ended_it());
        }
    }
}

/// Waits for the end of a child, of any one where `child` is `None`. Returns its process id, and the exit
/// status that a shell would give for its end: its own, or 128+n when signal n has ended it.
///
/// (The crate nix knows only 31 signals, and returns an error when another one has ended a child.)
///
/// # Errors
///
/// wait(2): ECHILD when there is no such child.
pub fn wait_for(child: Option<Pid>) -> nix::Result<(Pid, ExitCode)> {
    let mut status = 0;
    let pid = child.map_or(-1, Pid::as_raw);
    // SAFETY: waitpid(2) writes to the one pointer that it gets, which is to this function's variable.
    let pid = Errno::result(unsafe { libc::waitpid(pid, &mut status, 0) })?;
    let code = if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    };
    // Only the low 8 bits of a status reach a parent, and no signal has a number above 64.
    Ok((Pid::from_raw(pid), ExitCode::from(code as u8)))
}

/// A step of a start that failed: the context of its error, and what its advice is chosen by.
#[derive(Clone, Debug)]
pub enum Step {
    /// clone(2), or unshare(2), with these flags.
    Clone(CloneFlags),
    /// Writing this file of /proc/PID, with this text.
    Map(&'static str, String),
    /// What the child does before execve.
    Prepare(Call),
    /// execve(2) of this file.
    Execve(PathBuf),
    /// Making this cgroup, or writing to this file of one.
    Cgroup(PathBuf),
    /// Making this network device.
    Link(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Step::Clone(flags) if flags.is_empty() => write!(f, "clone a child"),
            Step::Clone(flags) => {
                let names: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
                write!(f, "create namespaces with {}", names.join(" | "))
            }
            Step::Map(file, text) => write!(f, "write {text:?} to {file}"),
            Step::Prepare(call) => write!(f, "prepare the child: {call:?}"),
            Step::Execve(program) => write!(f, "execute {}", program.display()),
            Step::Cgroup(path) => write!(f, "make a cgroup: {}", path.display()),
            Step::Link(name) => write!(f, "make the network device {name}"),
        }
    }
}

/// What the child calls between clone and execve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// sigaction(2) and sigprocmask(2)
    Signals,
    /// prctl(2) with PR_SET_PDEATHSIG
    ParentDeathSignal,
    /// setpgid(2) and tcsetpgrp(3), for an interactive shell
    Terminal,
    /// chdir(2) to [`Command::current_dir`]
    Chdir,
    /// close_range(2) with CLOSE_RANGE_CLOEXEC, Linux 5.11
    CloseRange,
    /// execve(2)
    Execve,
}

/// A report is the [`Call`] and its errno.
const REPORT_SIZE: usize = 1 + size_of::<i32>();

impl Call {
    fn to_report(self, errno: Errno) -> [u8; REPORT_SIZE] {
        let [a, b, c, d] = (errno as i32).to_ne_bytes();
        [self as u8, a, b, c, d]
    }

    fn from_report([call, errno @ ..]: [u8; REPORT_SIZE]) -> (Call, Errno) {
        let calls =
            [Call::Signals, Call::ParentDeathSignal, Call::Chdir, Call::Terminal, Call::CloseRange];
        let call = calls.into_iter().find(|known| *known as u8 == call);
        (call.unwrap_or(Call::Execve), Errno::from_raw(i32::from_ne_bytes(errno)))
    }
}

/// The cloned child's view of its start. All of it is in memory before the clone.
struct Child<'a> {
    image: &'a Image,
    /// Whether SIGTERM and SIGHUP stay blocked.
    holding: bool,
    /// Whether the program is a shell that will read from a terminal: one of others, without arguments.
    interactive: bool,
    hold: &'a OwnedFd,
    release: RawFd,
    report: &'a OwnedFd,
}

impl Child<'_> {
    /// Waits for the release, then executes the program. Returns, as clone's function does, an exit status.
    fn execute(&self) -> isize {
        // No one is left to tell if this write fails.
        if let Err((call, errno)) = self.wait_and_execute() {
            let _ = write(self.report, &call.to_report(errno));
        }
        127
    }

    fn wait_and_execute(&self) -> Result<(), (Call, Errno)> {
        let failed = |call| move |errno| (call, errno);
        signals::restore_in_child(self.holding).map_err(failed(Call::Signals))?;
        // From now on this process dies with its parent. A PID namespace dies with its process 1.
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed(Call::ParentDeathSignal))?;
        // The copy of the end that the parent writes to; while it is open there is no end of file below.
        let _ = close(self.release);
        if !self.released() {
            return Ok(());
        }
        if let Some(directory) = &self.image.current_dir {
            chdir(directory.as_c_str()).map_err(failed(Call::Chdir))?;
        }
        if self.interactive {
            terminal::lead_foreground().map_err(failed(Call::Terminal))?;
        }
        // But for standard input, output and error no descriptor leads out: CVE-2024-21626.
        // SAFETY: close_range(2) takes no pointers. With CLOEXEC the descriptors work until execve.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
        })
        .map_err(failed(Call::CloseRange))?;
        Err((Call::Execve, self.image.execute()))
    }

    /// Waits for the parent's word. Without one the parent is gone, or has given this child up.
    fn released(&self) -> bool {
        let word = loop {
            match read(self.hold, &mut [0]) {
                Err(Errno::EINTR) => {}
                word => break word,
            }
        };
        // A parent that was killed after its word, but before this child had asked for PDEATHSIG, can be
        // told by the other end of the pipe: it holds that open until execve.
        let mut pipe = [PollFd::new(self.hold.as_fd(), PollFlags::empty())];
        let polled = poll(&mut pipe, PollTimeout::ZERO);
        word == Ok(1) && polled.is_ok() && pipe[0].any() == Some(false)
    }
}

/// Path, arguments and environment as execve(2) takes them.
struct Image {
    program: CString,
    args: Strings,
    env: Strings,
    current_dir: Option<CString>,
}

impl Image {
    fn new(command: &Command) -> Result<Image> {
        let args = [&command.argv0].into_iter().chain(&command.args).chain(&command.inherited_args);
        let env = command.env.iter().map(|(name, value)| {
            let mut variable = name.clone();
            variable.push("=");
            variable.push(value);
            variable
        });
        Ok(Image {
            program: c_string(&command.program)?,
            args: Strings::new(args)?,
            env: Strings::new(env)?,
            current_dir: command.current_dir.as_ref().map(c_string).transpose()?,
        })
    }

    /// Returns only on failure.
    fn execute(&self) -> Errno {
        // SAFETY: both arrays end with a null pointer, and live as long as their strings: `self`.
        unsafe { libc::execve(self.program.as_ptr(), self.args.as_ptr(), self.env.as_ptr()) };
        Errno::last()
    }
}

/// An array of C strings with a null pointer at its end.
struct Strings {
    _owner: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Strings {
    fn new(strings: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Strings> {
        let owner =
            strings.into_iter().map(|string| c_string(string)).collect::<Result<Vec<_>>>()?;
        let pointers = owner.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Ok(Strings { _owner: owner, pointers })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

pub(crate) fn c_string(string: impl AsRef<OsStr>) -> Result<CString> {
    let string = string.as_ref();
    CString::new(string.as_bytes()).with_context(|| format!("a zero byte in {string:?}"))
}

/// Writes the id maps of a process that is alone in a new user namespace.
///
/// - `pid`: the process: a child, or this one.
/// - `uid_mappings`, `gid_mappings`: what to write; nothing where there are none. setgroups(2) is denied
///   before the groups are mapped.
///
/// # Errors
///
/// What the kernel says to the maps: user_namespaces(7), section "Defining user and group ID mappings".
/// Without privilege they may hold the caller's own ids alone.
pub fn write_id_maps(pid: Pid, uid_mappings: &[IdMap], gid_mappings: &[IdMap]) -> Result<()> {
    if !gid_mappings.is_empty() {
        // A process could leave a group that is denied something, and so be allowed it. Who maps groups
        // without privilege must give setgroups(2) up first: Linux 3.19, CVE-2014-8989.
        write_proc(pid, "setgroups", "deny")?;
        write_proc(pid, "gid_map", &lines(gid_mappings))?;
    }
    if !uid_mappings.is_empty() {
        write_proc(pid, "uid_map", &lines(uid_mappings))?;
    }
    Ok(())
}

fn lines(mappings: &[IdMap]) -> String {
    mappings
        .iter()
        .map(|map| format!("{} {} {}\n", map.container_id, map.host_id, map.size))
        .collect()
}

/// Writes `text` to /proc/`pid`/`file`, in one write(2), as the kernel wants it for the maps.
fn write_proc(pid: Pid, file: &'static str, text: &str) -> Result<()> {
    log::debug!("write {text:?} to /proc/{pid}/{file}");
    fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/{pid}/{file}"))
        .and_then(|mut proc| proc.write_all(text.as_bytes()))
        .with_context(|| Step::Map(file, text.trim_end().to_owned()))
}
