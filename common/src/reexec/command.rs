//! A program to start, and the namespaces that it starts in.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{chdir, fchdir, pipe2};

use super::before;
use super::child::{self, Child, Role};
use super::container::{Created, Running};
use super::failure::Step;
use super::id_map::{IdMap, write_id_maps};
use super::image::{Image, Strings, c_string};
use super::mark;
use crate::signals;
use crate::terminal::{Screen, Session, console, leader};

/// Bytes of stack for the cloned child. It only calls [`Child::execute`], which needs a few hundred.
const STACK_SIZE: usize = 64 * 1024;

/// Where programs are in a root directory.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns a command that starts this program again, at the entry point `name` of
/// [`dispatch`](super::dispatch).
///
/// It gets the arguments that this process got, and so parses the same command line. Those added with
/// [`Command::args`] come before them. `ps -f` and the log show `name` in the place of the program.
pub fn command(name: &str) -> Command {
    Command {
        // A name for the file that this process executes, whatever has become of its path: proc(5).
        program: "/proc/self/exe".into(),
        argv0: name.into(),
        entry_point: Some(name.into()),
        inherited_args: env::args_os().skip(1).collect(),
        ..Command::new("")
    }
}

/// A program to start, and the namespaces that it starts in. Like [`std::process::Command`], with clone
/// flags.
#[derive(Clone, Debug)]
pub struct Command {
    program: PathBuf,
    argv0: OsString,
    /// Where this program goes on in its second life. None for somebody else's program.
    entry_point: Option<String>,
    args: Vec<OsString>,
    inherited_args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    current_dir: Option<PathBuf>,
    root_dir: Option<Arc<OwnedFd>>,
    flags: CloneFlags,
    uid_mappings: Vec<IdMap>,
    gid_mappings: Vec<IdMap>,
    same_session: bool,
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
            entry_point: None,
            args: Vec::new(),
            inherited_args: Vec::new(),
            env: env::vars_os().collect(),
            current_dir: None,
            root_dir: None,
            flags: CloneFlags::empty(),
            uid_mappings: Vec::new(),
            gid_mappings: Vec::new(),
            same_session: false,
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

    /// Sets the environment of a container: `PATH` and `HOME` are those of its root, `TERM` is the terminal's,
    /// and there is nothing else. A variable of the host can hold a password, or a path that is not there.
    pub fn container_env(self) -> Command {
        self.env_keep(&["TERM"]).env("PATH", PATH).env("HOME", "/root")
    }

    /// Sets the directory that the program starts in.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Command {
        self.current_dir = Some(directory.as_ref().into());
        self
    }

    /// Sets the directory that the program starts in, and that becomes its root directory: one that is open.
    ///
    /// It is entered before the clone, since the child may be in another mount namespace, where a descriptor from
    /// this one is of no use (EINVAL from mount(2)), and a path may lead elsewhere.
    pub fn root_dir(mut self, directory: impl Into<OwnedFd>) -> Command {
        self.root_dir = Some(Arc::new(directory.into()));
        self
    }

    /// Adds one namespace to create: a `CLONE_NEW*` flag of clone(2).
    pub fn cloneflag(mut self, flag: CloneFlags) -> Command {
        self.flags |= flag;
        self
    }

    /// Sets the user ids of the new user namespace. Without them all ids are unmapped, and execve(2) drops every
    /// capability that is not ambient.
    pub fn uid_mappings(mut self, mappings: &[IdMap]) -> Command {
        self.uid_mappings = mappings.to_vec();
        self
    }

    /// Sets the group ids of the new user namespace. setgroups(2) is denied in it.
    pub fn gid_mappings(mut self, mappings: &[IdMap]) -> Command {
        self.gid_mappings = mappings.to_vec();
        self
    }

    /// Leaves the program in the session and process group of its caller, and on its terminal: for programs that are no
    /// container.
    pub fn same_session(mut self) -> Command {
        self.same_session = true;
        self
    }

    /// Clones a child into its new namespaces and writes its id maps. It waits just before execve(2).
    ///
    /// The child leads a session of its own, on a terminal of its own where this process has one. In a process that
    /// leads such a session itself, it is the job of that session.
    ///
    /// From the first call on a signal that would end this process ends the child that was created last. Once the
    /// program runs, SIGINT, SIGQUIT and SIGTSTP are for its job. All that is left to do here is to wait for the
    /// child, and to clean up.
    ///
    /// # Errors
    ///
    /// clone(2), mostly EPERM; or those of [`write_id_maps`]. The child is gone then. Before Linux 5.11 those of
    /// close_range(2), EINVAL or ENOSYS. [`Cause::ChildrenElsewhere`](crate::diagnosis::Cause) and
    /// [`Cause::StandardDirectory`](crate::diagnosis::Cause) where the caller has left this process so that no container of
    /// it would be right.
    pub fn create(&self) -> Result<Created> {
        if !self.flags.is_empty() {
            before::ensure_children_here()?;
        }
        if self.root_dir.is_some() {
            before::ensure_no_directory()?;
        }
        child::check_close_range()?;
        let image = self.image()?;
        let current_dir = self.current_dir.as_ref().map(c_string).transpose()?;
        let is_job = leader::is_leader();
        let leads = !is_job && !self.same_session;
        let screen = leads.then(Screen::of_caller).flatten();
        let name = screen.as_ref().and_then(Screen::name);
        let name = name.filter(|_| self.flags.contains(CloneFlags::CLONE_NEWNS));
        let (messages, mark) = mark::pair(self.entry_point.as_deref(), name.as_deref())?;
        let session = leads.then(|| Session::new(messages, screen));
        if is_job {
            console::put_into_place();
        }
        let (hold, release) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        let (outcome, report) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        let child = Child {
            image: &image,
            current_dir: current_dir.as_ref(),
            mark: self.entry_point.is_some().then(|| mark.as_raw_fd()),
            role: match &session {
                Some(session) => Role::Leader(session.parts(&mark)),
                None if is_job => Role::Job,
                None => Role::Member,
            },
            is_container: !self.flags.is_empty(),
            hold: &hold,
            release: release.as_raw_fd(),
            report: &mark::leave_number(report)?,
        };
        let mut stack = vec![0; STACK_SIZE];
        let held = signals::hold()?;
        let entered = self.root_dir.as_deref().map(Visit::to).transpose()?;
        // SAFETY: without CLONE_VM the child has a copy of all memory, the stack included. It makes only
        // async-signal-safe calls and allocates nothing, so it is safe with other threads in the parent.
        let pid = unsafe {
            clone(Box::new(|| child.execute()), &mut stack, self.flags, Some(libc::SIGCHLD))
        }
        .context(Step::Clone(self.flags));
        let returned = entered.map_or(Ok(()), Visit::end);
        let pid = pid?;
        let created = Created {
            program: self.program.clone(),
            child: Some(Running { pid, session, blocked: None, guard: None }),
            release,
            outcome,
        };
        returned?;
        signals::watch(pid, self.ending()).context("handle SIGTERM")?;
        if is_job {
            leader::watch_job()
                .context(Step::Unprivileged("make a process group for the child"))?;
        }
        drop(held);
        log::debug!("cloned {pid} with {:?} for {:?}", self.flags, self.argv0);
        match write_id_maps(pid, &self.uid_mappings, &self.gid_mappings) {
            Ok(()) => Ok(created),
            // Of a process that has ended nobody may change the maps (EACCES), and why it has is the better reason.
            Err(error) => Err(created.reported().unwrap_or(error)),
        }
    }

    /// Starts the program and waits for its end: [`Command::create`], [`Created::start`], [`Running::wait`].
    ///
    /// # Errors
    ///
    /// Those of the three.
    pub fn run(&self) -> Result<ExitCode> {
        self.create()?.start()?.wait()
    }

    fn image(&self) -> Result<Image> {
        let args = [&self.argv0].into_iter().chain(&self.args).chain(&self.inherited_args);
        let env = self.env.iter().map(|(name, value)| [name.as_os_str(), value].join("=".as_ref()));
        Ok(Image {
            program: c_string(&self.program)?,
            args: Strings::new(args)?,
            env: Strings::new(env)?,
        })
    }

    /// The signal that ends the program. Our own code passes SIGTERM on, and cleans up; an interactive shell
    /// ignores it.
    fn ending(&self) -> Signal {
        if self.entry_point.is_some() { Signal::SIGTERM } else { Signal::SIGKILL }
    }
}

/// A visit to another directory, from which this process returns to its own: to `/` from one that it may not enter, as root's
/// home is after `su joe`.
struct Visit(Option<OwnedFd>);

impl Visit {
    fn to(directory: &OwnedFd) -> Result<Visit> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let own = match open(".", flags, Mode::empty()) {
            Err(Errno::EACCES) => None,
            own => Some(own.context("open the current directory")?),
        };
        fchdir(directory).context("enter the root directory")?;
        Ok(Visit(own))
    }

    fn end(self) -> Result<()> {
        self.0.map_or_else(|| chdir("/"), fchdir).context("return from the root directory")
    }
}
