//! The leader of a container's session: `ns_init`, and in stage 01 a process of this crate.
//!
//! It runs one job: the shell, in a process group of its own. The leader can't be stopped by a key. Neither could the
//! shell, were it in the leader's group: that one is orphaned, and there the kernel drops SIGTSTP (setpgid(2), notes).
//! So the leader sees the shell stop, which its launcher can't, and tells it.
//!
//! All in here but [`adopt`] makes only async-signal-safe calls, for handlers and for a cloned child.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpgrp, getpid, getsid, setpgid, setsid, tcgetpgrp, tcsetpgrp};

use crate::signals;

/// What the launcher tells the leader to do with the foreground.
pub(crate) const GIVE_FOREGROUND: Signal = Signal::SIGUSR1;
/// The opposite.
pub(super) const TAKE_FOREGROUND: Signal = Signal::SIGUSR2;

/// Where the launcher listens: a socket. -1 in a process that leads no session of a container.
static LAUNCHER: AtomicI32 = AtomicI32::new(-1);

/// The number of a descriptor that is the terminal of the session. -1 where it has none.
static TERMINAL: AtomicI32 = AtomicI32::new(-1);

/// The process group that had the foreground before it was taken away. 0: the job.
static BEHIND: AtomicI32 = AtomicI32::new(0);

/// What a new session is made of. All of it is in memory before the clone.
#[derive(Clone, Copy)]
pub(crate) struct NewSession<'a> {
    /// The socket to the launcher.
    pub(crate) launcher: BorrowedFd<'a>,
    /// The session's terminal, and which of standard input, output and error become it.
    pub(super) terminal: Option<(BorrowedFd<'a>, [bool; 3])>,
}

impl NewSession<'_> {
    /// Makes this process the leader of a new session: setsid(2).
    pub(crate) fn lead(&self) -> nix::Result<()> {
        setsid()?;
        let Some((terminal, standard)) = self.terminal else { return Ok(()) };
        // SAFETY: this request takes a number: 0 says that the terminal is nobody else's.
        Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
        for (number, is_terminal) in (0..).zip(standard) {
            if is_terminal {
                // SAFETY: dup2(2) takes no pointers, and nobody in this process owns the three.
                Errno::result(unsafe { libc::dup2(terminal.as_raw_fd(), number) })?;
            }
        }
        Ok(())
    }
}

/// Makes this process, the second life of a program, the leader that `launcher` listens to. Not where it is in the
/// session of its caller.
pub(crate) fn adopt(launcher: OwnedFd) {
    if getsid(None) == Ok(getpid()) {
        set_launcher(launcher.into_raw_fd());
    }
}

/// Says where the launcher listens, and finds the terminal.
fn set_launcher(socket: RawFd) {
    LAUNCHER.store(socket, Ordering::Relaxed);
    TERMINAL.store((0..3).find(is_terminal).unwrap_or(-1), Ordering::Relaxed);
}

/// Whether a descriptor is the controlling terminal of this process.
fn is_terminal(descriptor: &RawFd) -> bool {
    tcgetpgrp(borrowed(*descriptor)).is_ok()
}

/// Whether this process leads the session of a container.
pub(crate) fn is_leader() -> bool {
    LAUNCHER.load(Ordering::Relaxed) >= 0
}

/// The terminal of this session.
pub(super) fn terminal() -> BorrowedFd<'static> {
    borrowed(TERMINAL.load(Ordering::Relaxed))
}

/// Puts a process into a group of its own: setpgid(2). Both the process and its parent do so, since nobody knows which of
/// the two comes first.
pub(crate) fn lead_group(process: Pid, in_foreground: bool) -> nix::Result<()> {
    setpgid(process, process)?;
    if in_foreground {
        let terminal = borrowed((0..3).find(is_terminal).unwrap_or(-1));
        signals::blocked(Signal::SIGTTOU, || tcsetpgrp(terminal, process))?;
    }
    Ok(())
}

/// Leads a session for `job`, which was just forked, until that ends. Returns its exit status.
pub(crate) fn serve(job: Pid, launcher: RawFd) -> u8 {
    set_launcher(launcher);
    // None of them fails: the signals are good ones.
    let _ = signals::watch(job, Signal::SIGKILL);
    let _ = watch_job();
    signals::release();
    wait_for(Some(job)).map_or(127, |(_, status)| status)
}

/// Waits for the end of a child, of any one where `child` is `None`. Returns its process id and exit status, or 128+n
/// when signal n has ended it. A leader tells its launcher meanwhile when the job has been stopped.
///
/// (The crate nix knows only 31 signals, and returns an error when another one has ended a child.)
pub(crate) fn wait_for(child: Option<Pid>) -> nix::Result<(Pid, u8)> {
    loop {
        let pid = wait_for_change(child)?;
        let mut status = 0;
        // SAFETY: waitpid(2) writes to the one pointer that it gets, which is to this function's variable.
        Errno::result(unsafe { libc::waitpid(pid.as_raw(), &mut status, libc::WUNTRACED) })?;
        // Only the low 8 bits of a status reach a parent, and no signal has a number above 64.
        if libc::WIFEXITED(status) {
            return Ok((pid, libc::WEXITSTATUS(status) as u8));
        } else if libc::WIFSIGNALED(status) {
            return Ok((pid, 128 + libc::WTERMSIG(status) as u8));
        }
        tell_stopped(pid, libc::WSTOPSIG(status));
    }
}

/// Waits until a child has ended, or, for a leader, has been stopped: waitid(2). No signal is sent to it from then on.
fn wait_for_change(child: Option<Pid>) -> nix::Result<Pid> {
    let (kind, id) =
        child.map_or((libc::P_ALL, 0), |pid| (libc::P_PID, pid.as_raw() as libc::id_t));
    let stops = if is_leader() { libc::WSTOPPED } else { 0 };
    // WNOWAIT leaves a zombie, so that its id is no one else's while a signal may still be passed on.
    let flags = libc::WEXITED | libc::WNOWAIT | stops;
    // SAFETY: a siginfo_t of zeros is a good one, and waitid(2) writes to it.
    let (pid, change) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        Errno::result(libc::waitid(kind, id, &mut info, flags))?;
        (Pid::from_raw(info.si_pid()), info.si_code)
    };
    if change != libc::CLD_STOPPED {
        signals::forget(pid);
    }
    Ok(pid)
}

/// Tells the launcher that a signal has stopped a process, if it is the job.
fn tell_stopped(process: Pid, signal: c_int) {
    if process == signals::child() {
        let message = [signal as u8];
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // Without a launcher there is nobody who could go on.
        // SAFETY: send(2) reads one byte, which is there.
        unsafe { libc::send(LAUNCHER.load(Ordering::Relaxed), message.as_ptr().cast(), 1, flags) };
    }
}

/// Has the launcher's signals act on the job, which is the child that is watched.
pub(crate) fn watch_job() -> nix::Result<()> {
    match lead_group(signals::child(), false) {
        // It has executed its program already, and did this before: setpgid(2).
        Ok(()) | Err(Errno::EACCES) => {}
        Err(errno) => return Err(errno),
    }
    signals::handle(GIVE_FOREGROUND, give_foreground)?;
    signals::handle(TAKE_FOREGROUND, take_foreground)?;
    signals::pass_job_control_on()
}

/// Puts the job, or the group that it had put there, into the foreground, and has it go on.
extern "C" fn give_foreground(_: c_int) {
    let errno = Errno::last_raw();
    let terminal = terminal();
    // It may have put another process there: that one stays.
    if tcgetpgrp(terminal) == Ok(getpgrp()) {
        let behind = BEHIND.swap(0, Ordering::Relaxed);
        if behind == 0 || tcsetpgrp(terminal, Pid::from_raw(behind)).is_err() {
            // Fails when it has ended.
            let _ = tcsetpgrp(terminal, signals::child());
        }
    }
    go_on();
    Errno::set_raw(errno);
}

/// Takes the foreground away, and has the job go on. When it reads, it stops, as a job in the background does.
///
/// The kernel would stop who takes it, were SIGTTOU not blocked, as all signals are in a handler: tcsetpgrp(3).
extern "C" fn take_foreground(_: c_int) {
    let errno = Errno::last_raw();
    let terminal = terminal();
    if let Ok(group) = tcgetpgrp(terminal) {
        if group != getpgrp() && tcsetpgrp(terminal, getpgrp()).is_ok() {
            BEHIND.store(group.as_raw(), Ordering::Relaxed);
        }
    }
    go_on();
    Errno::set_raw(errno);
}

fn go_on() {
    let job = signals::child();
    if job.as_raw() > 0 {
        // Fails when it has ended.
        let _ = killpg(job, Signal::SIGCONT);
    }
}

fn borrowed(descriptor: RawFd) -> BorrowedFd<'static> {
    // SAFETY: standard input, output and error stay open. Calls with -1, which is no descriptor, fail with EBADF, but
    // -1 may not be borrowed: a number that nobody has stands for it.
    unsafe { BorrowedFd::borrow_raw(if descriptor < 0 { RawFd::MAX } else { descriptor }) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_job_that_has_executed_its_program_before_it_is_watched_is_watched() {
        let mut cat = Command::new("cat");
        cat.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut job = cat.spawn().unwrap();
        // Only what it says proves that it is cat: a spawned child's parent goes on in the middle of execve(2).
        job.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        job.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let pid = Pid::from_raw(job.id() as i32);
        assert_eq!(lead_group(pid, false), Err(Errno::EACCES));
        signals::watch(pid, Signal::SIGKILL).unwrap();
        assert_eq!(watch_job(), Ok(()));
        signals::forget(pid);
        drop(job.stdin.take());
        assert!(job.wait().unwrap().success());
    }
}
