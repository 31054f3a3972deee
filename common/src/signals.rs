//! What a process does with signals while it starts and waits for the one child that is its container.
//!
//! - SIGTERM and SIGHUP end the child. The waiting process lives on and cleans up after it.
//! - SIGINT and SIGQUIT, Ctrl-C and Ctrl-\\ on a terminal, are for the job in the container: once it runs, the
//!   waiting process ignores them, as system(3) does. Before that they end the start.
//! - All four are held back in the middle of a start, until there is a child to end.

use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

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

/// Whether it was ended so.
static ENDED: AtomicBool = AtomicBool::new(false);

/// How many of the signals have come so far.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The signal mask that this process was started with.
static ORIGINAL_MASK: OnceLock<SigSet> = OnceLock::new();

/// The signals that end a container from outside.
const ENDINGS: [Signal; 4] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT];

/// Those of them that are the job's, once it runs.
const OF_THE_JOB: [Signal; 2] = [Signal::SIGINT, Signal::SIGQUIT];

/// The signals in [`ENDINGS`] stay pending while this lives.
pub(crate) struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        // Fails for a bad argument only, and there is none.
        let _ = SigSet::from_iter(ENDINGS).thread_unblock();
    }
}

fn set(signal: Signal, action: &SigAction) -> nix::Result<SigAction> {
    // SAFETY: the only handler of this program is `end_child`, which is async-signal-safe.
    unsafe { sigaction(signal, action) }
}

fn action(handler: SigHandler) -> SigAction {
    SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty())
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
    let mask = SigSet::from_iter(ENDINGS);
    let mask = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("block SIGTERM")?;
    ORIGINAL_MASK.get_or_init(|| mask);
    Ok(Held)
}

/// Lets the signals end `child`, with the signal `ending`.
pub(crate) fn watch(child: Pid, ending: Signal) -> Result<()> {
    CHILD.store(child.as_raw(), Ordering::Relaxed);
    ENDING.store(ending as c_int, Ordering::Relaxed);
    ENDED.store(false, Ordering::Relaxed);
    set_unless_ignored(&ENDINGS, SigHandler::Handler(end_child)).context("handle SIGTERM")
}

/// Leaves Ctrl-C and Ctrl-\\ to the child, which runs now.
pub(crate) fn leave_job_control() -> Result<()> {
    for signal in OF_THE_JOB {
        // A handler, and not SIG_IGN, which the next child would take for the caller's will.
        set_unless_ignored(&[signal], SigHandler::Handler(ignore)).context("ignore SIGINT")?;
    }
    Ok(())
}

/// Passes no more signals on. To be called before the child is reaped and its id free for others.
pub(crate) fn forget() {
    CHILD.store(0, Ordering::Relaxed);
}

/// Whether one of the signals has ended the child that was watched last.
pub(crate) fn have_ended_it() -> bool {
    ENDED.load(Ordering::Relaxed)
}

/// How many signals have come so far that end a container. A wait that is not for it can end when there are more.
pub(crate) fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

extern "C" fn end_child(_: c_int) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    let child = CHILD.load(Ordering::Relaxed);
    if child > 0 {
        ENDED.store(true, Ordering::Relaxed);
        let errno = Errno::last_raw();
        // SAFETY: kill(2) is async-signal-safe, and takes no pointers.
        unsafe { libc::kill(child, ENDING.load(Ordering::Relaxed)) };
        Errno::set_raw(errno);
    }
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
    let mut mask = ORIGINAL_MASK.get().copied().unwrap_or_else(SigSet::empty);
    for signal in ENDINGS {
        if holding { mask.add(signal) } else { mask.remove(signal) }
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None)
}
