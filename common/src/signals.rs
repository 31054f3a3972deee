//! What a process does with signals while it waits for the one child that is its container.
//!
//! - Ctrl-C and Ctrl-\ are for the job in the container: the waiting process ignores SIGINT and SIGQUIT,
//!   as system(3) does.
//! - SIGTERM and SIGHUP end the child. The waiting process lives on and cleans up after it.
//! - A SIGTERM that comes in the middle of a start is held back until there is a child to end.

use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask,
};
use nix::unistd::Pid;

/// The child that SIGTERM and SIGHUP end; 0 while there is none.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// The signal that ends it.
static ENDING: AtomicI32 = AtomicI32::new(libc::SIGKILL);

/// What this process was started with, and its children get back.
static ORIGINAL: OnceLock<Original> = OnceLock::new();

struct Original {
    interrupt: SigAction,
    quit: SigAction,
    mask: SigSet,
}

/// SIGTERM and SIGHUP stay pending while this lives.
pub(crate) struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        // Fails for a bad argument only, and there is none.
        let _ = endings().thread_unblock();
    }
}

/// The two signals that end a container from outside.
fn endings() -> SigSet {
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGHUP])
}

fn set(signal: Signal, action: &SigAction) -> nix::Result<SigAction> {
    // SAFETY: the only handler of this program is `end_child`, which is async-signal-safe.
    unsafe { sigaction(signal, action) }
}

fn action(handler: SigHandler) -> SigAction {
    SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty())
}

/// Sets what SIGTERM and SIGHUP do, unless they are ignored: then the caller wants it so (nohup(1)).
fn set_endings(handler: SigHandler) -> nix::Result<()> {
    for signal in &endings() {
        let before = set(signal, &action(handler))?;
        if matches!(before.handler(), SigHandler::SigIgn) {
            set(signal, &before)?;
        }
    }
    Ok(())
}

/// Makes sure that children can be waited for: a caller may have left SIGCHLD ignored (wait(2), notes).
pub(crate) fn expect_children() -> Result<()> {
    set(Signal::SIGCHLD, &action(SigHandler::SigDfl)).context("reset SIGCHLD")?;
    Ok(())
}

/// Ignores SIGINT and SIGQUIT from now on, and holds SIGTERM and SIGHUP back until [`Held`] is dropped.
pub(crate) fn hold() -> Result<Held> {
    let mask = endings().thread_swap_mask(SigmaskHow::SIG_BLOCK).context("block SIGTERM")?;
    let held = Held;
    if ORIGINAL.get().is_none() {
        let ignore = action(SigHandler::SigIgn);
        let interrupt = set(Signal::SIGINT, &ignore).context("ignore SIGINT")?;
        let quit = set(Signal::SIGQUIT, &ignore).context("ignore SIGQUIT")?;
        expect_children()?;
        ORIGINAL.get_or_init(|| Original { interrupt, quit, mask });
    }
    Ok(held)
}

/// Lets SIGTERM and SIGHUP end `child` with the signal `ending`.
pub(crate) fn watch(child: Pid, ending: Signal) -> Result<()> {
    CHILD.store(child.as_raw(), Ordering::Relaxed);
    ENDING.store(ending as c_int, Ordering::Relaxed);
    set_endings(SigHandler::Handler(end_child)).context("handle SIGTERM and SIGHUP")
}

/// Passes no more signals on. To be called before the child is reaped and its id free for others.
pub(crate) fn forget() {
    CHILD.store(0, Ordering::Relaxed);
}

/// Handles SIGTERM and SIGHUP.
extern "C" fn end_child(_: c_int) {
    let child = CHILD.load(Ordering::Relaxed);
    if child > 0 {
        let errno = Errno::last_raw();
        // SAFETY: kill(2) is async-signal-safe, and takes no pointers.
        unsafe { libc::kill(child, ENDING.load(Ordering::Relaxed)) };
        Errno::set_raw(errno);
    }
}

/// Gives a cloned child the signals that this process was started with, but for SIGPIPE, which Rust's
/// runtime has set to be ignored, and execve(2) would pass on.
///
/// With `holding` SIGTERM and SIGHUP stay blocked: the program that the child executes is one of ours,
/// and unblocks them when it knows what to do with them. Process 1 of a PID namespace would lose them
/// otherwise (pid_namespaces(7): only signals with a handler reach it).
///
/// Makes only async-signal-safe calls.
pub(crate) fn restore_in_child(holding: bool) -> nix::Result<()> {
    let Some(original) = ORIGINAL.get() else {
        return Ok(());
    };
    set(Signal::SIGINT, &original.interrupt)?;
    set(Signal::SIGQUIT, &original.quit)?;
    set(Signal::SIGPIPE, &action(SigHandler::SigDfl))?;
    set_endings(SigHandler::SigDfl)?;
    let mut mask = original.mask;
    for signal in &endings() {
        if holding { mask.add(signal) } else { mask.remove(signal) }
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None)
}
