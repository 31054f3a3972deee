//! What the cloned child does between clone(2) and execve(2).

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{chdir, close, read, write};

use super::failure::Call;
use super::image::Image;
use super::mark;
use crate::{signals, terminal};

/// The cloned child's view of its start. All of it is in memory before the clone.
pub(super) struct Child<'a> {
    pub(super) image: &'a Image,
    pub(super) current_dir: Option<&'a CString>,
    /// What makes the program one of ours, in its second life.
    pub(super) mark: Option<RawFd>,
    /// Whether the program is a shell that will read from a terminal: one of others, without arguments.
    pub(super) interactive: bool,
    /// Where the parent's word comes from.
    pub(super) hold: &'a OwnedFd,
    /// The end that the parent writes it to.
    pub(super) release: RawFd,
    /// Where to say what has failed.
    pub(super) report: &'a OwnedFd,
}

impl Child<'_> {
    /// Waits for the parent's word, then executes the program. Returns, as clone's function does, an exit status.
    pub(super) fn execute(&self) -> isize {
        // No one is left to tell if this write fails.
        if let Err((call, errno)) = self.wait_and_execute() {
            let _ = write(self.report, &call.to_report(errno));
        }
        127
    }

    fn wait_and_execute(&self) -> Result<(), (Call, Errno)> {
        let failed = |call| move |errno| (call, errno);
        signals::restore_in_child(self.mark.is_some()).map_err(failed(Call::Signals))?;
        // From now on this process dies with its parent. A PID namespace dies with its process 1.
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed(Call::ParentDeathSignal))?;
        // The copy of the end that the parent writes to; while it is open there is no end of file below.
        let _ = close(self.release);
        if !self.is_started() {
            return Ok(());
        }
        if let Some(directory) = self.current_dir {
            chdir(directory.as_c_str()).map_err(failed(Call::Chdir))?;
        }
        if self.interactive {
            terminal::lead_foreground().map_err(failed(Call::Terminal))?;
        }
        close_all_on_exec().map_err(failed(Call::CloseRange))?;
        if let Some(mark) = self.mark {
            mark::keep(mark).map_err(failed(Call::Mark))?;
        }
        Err((Call::Execve, self.image.execute()))
    }

    /// Waits for the parent's word. Without one the parent is gone, or has given this child up.
    fn is_started(&self) -> bool {
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

/// Sees to it that but for standard input, output and error no descriptor leads out: CVE-2024-21626.
fn close_all_on_exec() -> nix::Result<()> {
    // SAFETY: close_range(2) takes no pointers. With CLOEXEC the descriptors work until execve.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })
    .map(drop)
}
