//! What a process does with signals while it starts and waits for the one child that is its container.
//!
//! - A signal that would end this process ends the child: [`watch`]. This process lives on, and cleans up.
//! - The leader of the container's session passes on to its job what is meant for a job: [`pass_job_control_on`].
//! - The launcher reads all signals where it waits for a container that runs: `common::terminal::relay`.
//! - All of them are held back in the middle of a start, until there is a child to end.

use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask,
};
use nix::unistd::Pid;

/// The child that the signals end; 0 while there is none.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// The signal that ends it.
static ENDING: AtomicI32 = AtomicI32::new(libc::SIGKILL);

/// How many of the signals have come so far.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The signal mask that this process was started with.
static ORIGINAL_MASK: OnceLock<SigSet> = OnceLock::new();

/// The signals that would end a process, and that are not about a fault of its own: signal(7).
const ENDINGS: [Signal; 13] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGXCPU,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGSTKFLT,
];

/// Those of them that keys of a terminal send: Ctrl-C, and Ctrl-\\.
const INTERRUPTS: [Signal; 2] = [Signal::SIGINT, Signal::SIGQUIT];

/// Ctrl-Z, and what makes a stopped process go on.
const JOB_CONTROL: [Signal; 2] = [Signal::SIGTSTP, Signal::SIGCONT];

/// Milliseconds after which a wait looks what signals have come.
pub(crate) const PAUSE: u8 = 50;

/// What is held back in a start.
fn held() -> SigSet {
    ENDINGS.into_iter().chain(JOB_CONTROL).collect()
}

/// The signals of [`hold`] stay pending while this lives.
pub(crate) struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        release();
    }
}

/// No longer holds the signals of [`hold`] back. Makes only async-signal-safe calls.
pub(crate) fn release() {
    // Fails for a bad argument only, and there is none.
    let _ = held().thread_unblock();
}

/// All signals stay pending while this lives, for who reads them with signalfd(2).
#[derive(Debug)]
pub(crate) struct Blocked(SigSet);

impl Drop for Blocked {
    fn drop(&mut self) {
        let _ = self.0.thread_set_mask();
    }
}

fn set(signal: Signal, action: &SigAction) -> nix::Result<SigAction> {
    // SAFETY: the handlers of this program make only async-signal-safe calls.
    unsafe { sigaction(signal, action) }
}

fn action(handler: SigHandler) -> SigAction {
    // A handler is not interrupted by another one.
    SigAction::new(handler, SaFlags::SA_RESTART, SigSet::all())
}

/// Sets what signals do, but for those that the caller has set to be ignored, as nohup(1) does.
fn set_unless_ignored(signals: &[Signal], handler: SigHandler) -> nix::Result<()> {
    for signal in signals {
        let before = set(*signal, &action(handler))?;
        if matches!(before.handler(), SigHandler::SigIgn) {
            set(*signal, &before)?;
        }
    }
    Ok(())
}

/// Has a function handle a signal.
pub(crate) fn handle(signal: Signal, handler: extern "C" fn(c_int)) -> nix::Result<()> {
    set(signal, &action(SigHandler::Handler(handler))).map(drop)
}

/// Has a write to a file that may grow no more (`ulimit -f`) fail, with EFBIG, and no longer end this process: SIGXFSZ in
/// setrlimit(2). What was still to be cleaned up would stay.
///
/// By a handler, and not by SIG_IGN, which execve(2) would pass on.
pub(crate) fn outlive_full_files() {
    // Fails for a bad argument only, and there is none.
    let _ = set_unless_ignored(&[Signal::SIGXFSZ], SigHandler::Handler(ignore));
}

/// Whether a signal, by its number, does nothing to this process.
pub(crate) fn is_ignored(signal: c_int) -> bool {
    // SAFETY: an action of zeros is a good one, and sigaction(2) overwrites it.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with a null pointer for the new action it only reads.
    let result = unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Gives signals their default action.
pub(crate) fn reset(signals: &[Signal]) -> Result<()> {
    for signal in signals {
        set(*signal, &action(SigHandler::SigDfl)).with_context(|| format!("reset {signal}"))?;
    }
    Ok(())
}

/// Makes sure that children can be waited for: a caller may have left SIGCHLD ignored (wait(2), notes).
pub(crate) fn expect_children() -> Result<()> {
    reset(&[Signal::SIGCHLD])
}

/// Holds back the signals that end a container, until [`Held`] is dropped.
pub(crate) fn hold() -> Result<Held> {
    expect_children()?;
    let mask = held().thread_swap_mask(SigmaskHow::SIG_BLOCK).context("block SIGTERM")?;
    ORIGINAL_MASK.get_or_init(|| mask);
    Ok(Held)
}

/// Holds back all signals, until [`Blocked`] is dropped.
pub(crate) fn block_all() -> Result<Blocked> {
    SigSet::all()
        .thread_swap_mask(SigmaskHow::SIG_SETMASK)
        .map(Blocked)
        .context("block all signals")
}

/// Lets the signals end `child`, with the signal `ending`. Makes only async-signal-safe calls.
pub(crate) fn watch(child: Pid, ending: Signal) -> nix::Result<()> {
    CHILD.store(child.as_raw(), Ordering::Relaxed);
    ENDING.store(ending as c_int, Ordering::Relaxed);
    set_unless_ignored(&ENDINGS, SigHandler::Handler(end_child))
}

/// Passes what the keys of a terminal send, and SIGCONT, on to the child and its process group. Makes only
/// async-signal-safe calls.
pub(crate) fn pass_job_control_on() -> nix::Result<()> {
    for signals in [&INTERRUPTS, &JOB_CONTROL] {
        set_unless_ignored(signals, SigHandler::Handler(pass_on))?;
    }
    Ok(())
}

/// Leaves Ctrl-C and Ctrl-\\ to the child, which runs now, and gets them itself: it is in this process's session.
pub(crate) fn leave_interrupts() -> nix::Result<()> {
    // A handler, and not SIG_IGN, which the next child would take for the caller's will.
    set_unless_ignored(&INTERRUPTS, SigHandler::Handler(ignore))
}

/// Passes no more signals on to `child`. To be called before it is reaped and its id free for others.
pub(crate) fn forget(child: Pid) {
    // Fails when it is another one that is watched.
    let _ = CHILD.compare_exchange(child.as_raw(), 0, Ordering::Relaxed, Ordering::Relaxed);
}

/// The child that was watched last. 0 while there is none.
pub(crate) fn child() -> Pid {
    Pid::from_raw(CHILD.load(Ordering::Relaxed))
}

/// Sends the child a signal, or, with a negative `sign`, its process group.
fn send(sign: i32, signal: c_int) {
    let child = CHILD.load(Ordering::Relaxed);
    if child > 0 {
        let errno = Errno::last_raw();
        // SAFETY: kill(2) is async-signal-safe, and takes no pointers.
        unsafe { libc::kill(sign * child, signal) };
        Errno::set_raw(errno);
    }
}

/// How many signals have come so far that end a container. A wait that is not for it can end when there are more.
pub(crate) fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

extern "C" fn end_child(_: c_int) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    end();
}

/// Ends the child, also one that is stopped: SIGTERM would wait for it to go on.
pub(crate) fn end() {
    send(1, ENDING.load(Ordering::Relaxed));
    send(1, libc::SIGCONT);
}

/// Does for the child what is wanted by signals that are blocked: ends it, or has it go on. They stay pending.
pub(crate) fn obey_pending() -> nix::Result<()> {
    let pending = pending()?;
    // One that is blocked is pending even where it is ignored.
    let wanted = |signal: &Signal| pending.contains(*signal) && !is_ignored(*signal as c_int);
    if ENDINGS.iter().any(wanted) {
        end();
    } else if wanted(&Signal::SIGCONT) {
        send(1, libc::SIGCONT);
    }
    Ok(())
}

/// Handles a signal that is for the job: the child, and its process group.
pub(crate) extern "C" fn pass_on(signal: c_int) {
    send(-1, signal);
}

extern "C" fn ignore(_: c_int) {}

/// Gives a cloned child the signals that this process was started with. (execve(2) resets handlers.) Two are
/// always set to their default: SIGPIPE, which Rust's runtime ignores and execve would pass on, and SIGCHLD.
///
/// With `holding` the signals that end a container stay blocked: the program that the child executes is one
/// of ours, and unblocks them when it knows what to do with them. Process 1 of a PID namespace would lose
/// them otherwise (pid_namespaces(7): only signals with a handler reach it).
///
/// Makes only async-signal-safe calls.
pub(crate) fn restore_in_child(holding: bool) -> nix::Result<()> {
    set(Signal::SIGPIPE, &action(SigHandler::SigDfl))?;
    set_unless_ignored(&ENDINGS, SigHandler::SigDfl)?;
    set_unless_ignored(&JOB_CONTROL, SigHandler::SigDfl)?;
    let mut mask = ORIGINAL_MASK.get().copied().unwrap_or_else(SigSet::empty);
    for signal in held().iter() {
        if holding { mask.add(signal) } else { mask.remove(signal) }
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None)
}

/// Calls a function while a signal is not blocked.
pub(crate) fn unblocked<T>(
    signal: Signal,
    call: impl FnOnce() -> nix::Result<T>,
) -> nix::Result<T> {
    with_mask(SigmaskHow::SIG_UNBLOCK, signal, call)
}

/// Calls a function while a signal is blocked.
pub(crate) fn blocked<T>(signal: Signal, call: impl FnOnce() -> nix::Result<T>) -> nix::Result<T> {
    with_mask(SigmaskHow::SIG_BLOCK, signal, call)
}

fn with_mask<T>(
    how: SigmaskHow,
    signal: Signal,
    call: impl FnOnce() -> nix::Result<T>,
) -> nix::Result<T> {
    let mask = SigSet::from(signal).thread_swap_mask(how)?;
    let result = call();
    mask.thread_set_mask()?;
    result
}

/// Whether a signal that is blocked has been sent.
pub(crate) fn is_pending(signal: Signal) -> nix::Result<bool> {
    Ok(pending()?.contains(signal))
}

/// Returns the signals that are blocked and have been sent: sigpending(2).
fn pending() -> nix::Result<SigSet> {
    let mut pending = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigpending(2) writes the set that it gets a pointer to, and fails for a bad pointer only.
    let pending = unsafe {
        Errno::result(libc::sigpending(pending.as_mut_ptr()))?;
        pending.assume_init()
    };
    // SAFETY: it is a set that the kernel has made.
    Ok(unsafe { SigSet::from_sigset_t_unchecked(pending) })
}
