//! Starts a program that is traced from its first instruction on, and stands in for it: signals to this program are
//! its signals, and so are its stops.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::unistd::{ForkResult, Pid, execve, fork, pipe2};

use crate::filter;
use crate::program::Program;
use crate::refusal;
use crate::source::Registers;

/// A program that was started, is traced, and waits.
#[derive(Debug)]
pub struct Launcher {
    /// Its process id.
    pub pid: Pid,
    release: Option<OwnedFd>,
    report: Option<OwnedFd>,
}

/// The steps of the child before its program runs, for its report.
const FILTER: u8 = 1;
const NAMESPACES: u8 = 2;
const EXECUTE: u8 = 3;

/// Starts a program, and traces it. It waits for [`Launcher::go`].
///
/// - `filter`: stop for the calls of the table alone, and not for all.
///
/// # Errors
///
/// fork(2); ptrace(2), with the reason why it is forbidden.
pub fn start(program: &Program, filter: bool) -> Result<Launcher> {
    let (hold, release) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
    let (report, outcome) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
    let image = Image::of(program, filter)?;
    // SAFETY: this program has no other threads.
    let child = match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            drop((release, report));
            image.execute(hold, outcome)
        }
        ForkResult::Parent { child } => child,
    };
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACESECCOMP
        | Options::PTRACE_O_EXITKILL;
    if let Err(errno) = ptrace::seize(child, options) {
        // It reads that nobody will release it, and ends.
        drop(release);
        bail!(refusal::of_ptrace(errno));
    }
    if !filter {
        // It goes on from call to call.
        ptrace::interrupt(child).context("stop the program")?;
    }
    stand_in_for(child).context("stand in for the program")?;
    Ok(Launcher { pid: child, release: Some(release), report: Some(report) })
}

impl Launcher {
    /// Lets the program go.
    ///
    /// # Errors
    ///
    /// write(2)
    pub fn go(&mut self) -> Result<()> {
        let release = self.release.take().context("it goes once")?;
        File::from(release).write_all(&[1]).context("let the program go")
    }

    /// Returns why the program could not be executed, if it could not.
    pub fn failure(&mut self) -> Option<String> {
        let mut report = Vec::new();
        File::from(self.report.take()?).read_to_end(&mut report).ok()?;
        let (step, errno) = report.split_first()?;
        let errno = Errno::from_raw(i32::from_ne_bytes(errno.try_into().ok()?));
        Some(match *step {
            FILTER => format!("the filter is refused ({errno}): --no-filter does without"),
            NAMESPACES => format!("a user namespace is refused: {errno}"),
            _ => errno.desc().to_string(),
        })
    }
}

/// What a child executes. All of it is made before fork(2).
struct Image {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
    name: CString,
    filter: Option<Vec<libc::sock_filter>>,
    rootless: bool,
}

impl Image {
    fn of(program: &Program, filter: bool) -> Result<Image> {
        use std::os::unix::ffi::{OsStrExt, OsStringExt};
        let c_string =
            |bytes: &[u8]| CString::new(bytes).context("there is a zero byte in an argument");
        let args = program.args.iter().map(|arg| c_string(arg.as_bytes()));
        let env = std::env::vars_os().map(|(name, value)| {
            let mut line = name.into_vec();
            line.push(b'=');
            line.extend(value.into_vec());
            c_string(&line)
        });
        Ok(Image {
            path: c_string(program.path.as_os_str().as_bytes())?,
            name: c_string(program.path.file_name().unwrap_or_default().as_bytes())?,
            args: args.collect::<Result<_>>()?,
            env: env.collect::<Result<_>>()?,
            filter: filter.then(filter::instructions),
            rootless: program.rootless,
        })
    }

    /// What the child does.
    fn execute(&self, hold: OwnedFd, outcome: OwnedFd) -> ! {
        let failed = |step: u8, errno: Errno| -> ! {
            let mut report = vec![step];
            report.extend((errno as i32).to_ne_bytes());
            let _ = nix::unistd::write(&outcome, &report);
            // SAFETY: _exit(2) takes a number. A child of fork(2) runs none of its parent's cleaning up.
            unsafe { libc::_exit(127) }
        };
        if nix::unistd::read(&hold, &mut [0]) != Ok(1) {
            failed(EXECUTE, Errno::ECANCELED);
        }
        let _ = nix::sys::prctl::set_name(&self.name);
        if self.rootless {
            enter_namespaces().unwrap_or_else(|errno| failed(NAMESPACES, errno));
        }
        if let Some(filter) = &self.filter {
            filter::install(filter).unwrap_or_else(|errno| failed(FILTER, errno));
        }
        // The Rust runtime ignores it, and execve(2) passes that on.
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: the default action runs no code of this program.
        let _ = unsafe { sigaction(Signal::SIGPIPE, &default) };
        let Err(errno) = execve(&self.path, &self.args, &self.env);
        failed(EXECUTE, errno)
    }
}

/// Makes this process root of a user namespace and of mounts of its own, as `unshare --map-root-user --mount` does.
fn enter_namespaces() -> nix::Result<()> {
    use nix::sched::{CloneFlags, unshare};
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    let write = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
    };
    write("setgroups", "deny".into())?;
    write("uid_map", format!("0 {uid} 1"))?;
    write("gid_map", format!("0 {gid} 1"))
}

/// A descriptor of the launcher, for signals: pidfd_send_signal(2) reaches nobody else once it is gone.
static LAUNCHER: AtomicI32 = AtomicI32::new(-1);

/// How many processes the launcher has left behind: a signal to this program ends them then.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// The signals that are passed on to the launcher.
const PASSED_ON: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// Passes signals to this program on to `launcher`, from now on.
fn stand_in_for(launcher: Pid) -> nix::Result<()> {
    // SAFETY: pidfd_open(2) takes numbers.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, launcher.as_raw(), 0) };
    let pidfd = Errno::result(pidfd)? as RawFd;
    // SAFETY: the kernel has returned it, and nobody else has it.
    LAUNCHER.store(unsafe { OwnedFd::from_raw_fd(pidfd) }.into_raw_fd(), Ordering::SeqCst);
    let action =
        SigAction::new(SigHandler::SigAction(pass_on), SaFlags::SA_RESTART, SigSet::empty());
    for signal in PASSED_ON {
        // SAFETY: the handler makes async-signal-safe calls only.
        let before = unsafe { sigaction(signal, &action) }?;
        if matches!(before.handler(), SigHandler::SigIgn) {
            // Under nohup(1), say, it is ignored by the program, too.
            // SAFETY: this restores what was.
            unsafe { sigaction(signal, &before) }?;
        }
    }
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGTTIN, Signal::SIGTTOU] {
        // SAFETY: nothing is run. Where the program has the terminal, this one may still write to it.
        unsafe { sigaction(signal, &ignore) }?;
    }
    Ok(())
}

extern "C" fn pass_on(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO a valid siginfo_t.
    let by_terminal = unsafe { (*info).si_code } > 0;
    // What the terminal sends goes to the launcher as well: both are in its foreground process group.
    if LEFT.load(Ordering::SeqCst) > 0 {
        // PTRACE_O_EXITKILL ends them.
        // SAFETY: _exit(2) takes a number, and is async-signal-safe.
        unsafe { libc::_exit(128 + signal) }
    }
    if !by_terminal {
        let launcher = LAUNCHER.load(Ordering::SeqCst);
        // SAFETY: a system call with a descriptor, a number and a null pointer.
        unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                launcher,
                signal,
                ptr::null::<libc::siginfo_t>(),
                0,
            );
        }
    }
}

/// The launcher has ended, and has left `processes` behind, which are followed to their end.
pub fn launcher_is_gone(processes: usize) {
    LEFT.store(processes, Ordering::SeqCst);
    if processes > 0 {
        eprintln!(
            "lens: waiting for {processes} more processes that the program has left; Ctrl-C ends them"
        );
    }
}

/// Stops this program as the launcher is stopped, for whoever waits for it, until SIGCONT continues both.
pub fn stop_too() {
    let _ = raise(Signal::SIGSTOP);
}

/// Ends this program as a program ended whose status wait(2) has returned.
pub fn end_as(status: i32) -> ! {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        // SAFETY: numbers, and a pointer to a value that lives. One core is enough: it is the launcher's.
        unsafe {
            let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &no_core);
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        std::process::exit(128 + signal);
    }
    std::process::exit(libc::WEXITSTATUS(status));
}

/// Returns how a process has ended, by the status that wait(2) returns.
pub fn described_end(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        let number = libc::WTERMSIG(status);
        let signal = Signal::try_from(number);
        let name = signal.map_or_else(|_| format!("signal {number}"), |signal| signal.to_string());
        return format!("killed by {name}");
    }
    format!("exit({})", libc::WEXITSTATUS(status))
}

/// Makes a ptrace(2) request that takes a number for its data. nix knows no real-time signals.
///
/// # Errors
///
/// ptrace(2): ESRCH when the task is gone.
pub fn ptrace(request: libc::c_uint, task: Pid, data: i32) -> nix::Result<()> {
    let data = data as libc::c_long;
    // SAFETY: these requests take no pointer.
    let result =
        unsafe { libc::ptrace(request, task.as_raw(), ptr::null_mut::<libc::c_void>(), data) };
    Errno::result(result).map(drop)
}

/// Returns the registers of a stopped task that its stack is unwound with.
pub fn registers(task: Pid) -> Option<Registers> {
    let registers = ptrace::getregset::<ptrace::regset::NT_PRSTATUS>(task).ok()?;
    #[cfg(target_arch = "x86_64")]
    return Some(Registers { pc: registers.rip, sp: registers.rsp, fp: registers.rbp, lr: 0 });
    #[cfg(target_arch = "aarch64")]
    Some(Registers {
        pc: registers.pc,
        sp: registers.sp,
        fp: registers.regs[29],
        lr: registers.regs[30],
    })
}
