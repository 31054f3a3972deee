// A terminal of its own.
//
// A shell that is to stop jobs, and to get ^C, needs a terminal that is its session's: the controlling terminal. `docker
// run --tty` makes a pair of pseudoterminals: one end is the container's terminal, and at the other end somebody passes
// on what is typed. A session has at most one terminal, and a terminal belongs to at most one session. So a container
// whose session is the caller's can't have another one.
//
// This process gets the streams, and no terminal.
//
// Read: pty(7), setsid(2), ioctl_tty(2), TIOCSCTTY, credentials(7), "Sessions".

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::setsid;

/// Makes this process the first one of a session of its own, with this terminal, and with it as its standard streams, also
/// for a program that is executed later.
fn take(terminal: &File) -> Result<()> {
    setsid()?;
    // SAFETY: the third argument is a number.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: it takes no pointers.
        Errno::result(unsafe { libc::dup2(terminal.as_raw_fd(), stream) })?;
    }
    Ok(())
}

fn main() {}

// Why it works: setsid(2) makes a session without a terminal, whose only process is the caller. TIOCSCTTY gives it one,
// which only the first process of a session may ask for, and only for a terminal that is nobody else's. From then on
// what is typed there as ^C becomes a signal for the process group in the foreground, /dev/tty means this terminal, and
// when it goes, the session hears of it by SIGHUP. The streams are another matter: they are descriptors as others are.

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::mem;
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::os::unix::fs::MetadataExt;

    use grader::exercise::{self, Container, Host};
    use grader::probe;
    use nix::libc;

    use super::*;

    const READ: &str = "pty(7), setsid(2) and credentials(7)";

    /// Makes a pair of pseudoterminals. The second one is the container's.
    fn pair() -> [File; 2] {
        let flags = libc::O_RDWR | libc::O_NOCTTY;
        // SAFETY: they take numbers, and return descriptors that nobody else has.
        unsafe {
            let typist = libc::posix_openpt(flags);
            assert!(libc::unlockpt(typist) == 0, "no pseudoterminal");
            let terminal = libc::ioctl(typist, libc::TIOCGPTPEER, flags);
            assert!(terminal >= 0, "no pseudoterminal");
            [typist, terminal].map(|descriptor| File::from_raw_fd(descriptor))
        }
    }

    /// Starts a process that takes a terminal.
    fn start(host: &Host, terminal: &File) -> Container<()> {
        host.may_leave(&["own group", "own session", "own terminal"]);
        host.may_leave(&["own descriptor: 0", "own descriptor: 1", "own descriptor: 2"]);
        let before = settings(terminal);
        let process = host.start(|| take(terminal));
        host.shows("the settings and the size of the terminal", settings(terminal))
            .should_be(before);
        process
    }

    /// Returns what tcgetattr(3) and ioctl_tty(2) tell of a terminal.
    fn settings(terminal: &File) -> String {
        // SAFETY: zero is a value that all of their fields can have, and the kernel writes to where they are.
        unsafe {
            let (mut settings, mut size): (libc::termios, libc::winsize) = mem::zeroed();
            libc::tcgetattr(terminal.as_raw_fd(), &mut settings);
            libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &mut size);
            let modes = [settings.c_iflag, settings.c_oflag, settings.c_cflag, settings.c_lflag]
                .map(|mode| format!("{mode:o}"));
            format!("modes {}, {} rows, {} columns", modes.join(" "), size.ws_row, size.ws_col)
        }
    }

    #[test]
    fn the_process_has_a_session_of_its_own() {
        exercise::as_root(READ, |host| {
            let [_typist, terminal] = pair();
            let process = start(host, &terminal);
            host.shows("the session of the process", &probe::stat(process.pid())[3])
                .should_be(process.pid());
        });
    }

    #[test]
    fn the_terminal_is_its_sessions() {
        exercise::as_root(READ, |host| {
            // Two at once, which so have two numbers.
            for [_typist, terminal] in [pair(), pair()] {
                let process = start(host, &terminal);
                let device = terminal.metadata().unwrap().rdev();
                let (major, minor) = (libc::major(device), libc::minor(device));
                let number = (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12);
                host.shows(
                    "the device of its controlling terminal",
                    &probe::stat(process.pid())[4],
                )
                .should_be(number);
                host.shows(
                    "the process group in the foreground there",
                    &probe::stat(process.pid())[5],
                )
                .should_be(process.pid());
            }
        });
    }

    #[test]
    fn its_streams_are_the_terminal() {
        exercise::as_root(READ, |host| {
            let [_typist, terminal] = pair();
            let process = start(host, &terminal);
            for stream in 0..3 {
                let file = process.open(&format!("fd/{stream}"));
                host.shows(
                    &format!("the device of descriptor {stream}"),
                    file.metadata().unwrap().rdev(),
                )
                .should_be(terminal.metadata().unwrap().rdev());
            }
        });
    }

    /// Returns the flags of a descriptor, such as `O_RDWR`: /proc/PID/fdinfo in proc_pid_fdinfo(5),
    /// in Debian 12 proc(5).
    fn flags(process: &Container<()>, stream: i32) -> i32 {
        let info = process.read(&format!("fdinfo/{stream}"));
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
        i32::from_str_radix(flags.trim(), 8).unwrap_or_default()
    }

    #[test]
    fn a_program_can_read_and_write_by_them() {
        exercise::as_root(READ, |host| {
            let [_typist, terminal] = pair();
            let process = start(host, &terminal);
            for (stream, use_of_it, other) in [
                (0, "read", libc::O_WRONLY),
                (1, "write", libc::O_RDONLY),
                (2, "write", libc::O_RDONLY),
            ] {
                let flags = flags(&process, stream);
                let mode = flags & (libc::O_RDONLY | libc::O_WRONLY | libc::O_RDWR);
                host.shows(
                    &format!("whether descriptor {stream} is open to {use_of_it}"),
                    mode != other,
                )
                .should_be(true);
                host.shows(
                    &format!("whether descriptor {stream} is closed by execve(2)"),
                    flags & libc::O_CLOEXEC != 0,
                )
                .should_be(false);
            }
        });
    }
}
