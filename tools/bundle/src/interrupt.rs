//! Ctrl-C in the middle of something: it is noticed, and cleaned up after.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Has SIGHUP, SIGINT and SIGTERM remembered from now on, so that [`Interruptible`] fails.
///
/// # Errors
///
/// sigaction(2).
pub fn remember() -> Result<()> {
    extern "C" fn remember(_: i32) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    let action =
        SigAction::new(SigHandler::Handler(remember), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler stores to an atomic, which signal-safety(7) allows.
        unsafe { sigaction(signal, &action) }.context("handle a signal")?;
    }
    Ok(())
}

/// A reader that fails after a signal.
pub struct Interruptible<R>(pub R);

impl<R: Read> Read for Interruptible<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if INTERRUPTED.load(Ordering::Relaxed) {
            // Not ErrorKind::Interrupted, after which everybody tries again.
            return Err(io::Error::other("interrupted"));
        }
        self.0.read(buffer)
    }
}
