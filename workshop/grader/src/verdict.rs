//! How a test says that it has come to its end. A process can have the status 0 for many reasons, so that the test itself
//! says so, over a pipe which a learner's function has no end of.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::{close as close_descriptor, pipe2, write};

/// The end that the test of this process writes to.
static END: AtomicI32 = AtomicI32::new(-1);

/// Both ends of the pipe.
pub(crate) struct Verdict {
    outcome: OwnedFd,
    done: OwnedFd,
}

impl Verdict {
    /// Makes the pipe.
    pub(crate) fn new() -> Result<Verdict> {
        let (outcome, done) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        END.store(done.as_raw_fd(), Ordering::Relaxed);
        Ok(Verdict { outcome, done })
    }

    /// Says that the test has come to its end.
    pub(crate) fn pass(&self) {
        let _ = write(&self.done, &[1]);
    }

    /// Returns whether it has said so.
    pub(crate) fn has_passed(self) -> Result<bool> {
        drop(self.done);
        let mut said = Vec::new();
        File::from(self.outcome).read_to_end(&mut said).context("hear from the test")?;
        Ok(said == [1])
    }
}

/// Closes the test's end of the pipe, in a process that is a copy of the test's.
pub(crate) fn close() {
    let _ = close_descriptor(END.load(Ordering::Relaxed) as RawFd);
}
