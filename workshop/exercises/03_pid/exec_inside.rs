// One more program in the container.
//
// `docker exec` starts a program in a container that is running: it enters the namespaces of one of its processes, and
// then starts the program. Since Linux 5.8 a single call enters all of them. It takes a descriptor of the process, a
// pidfd, and that goes on to mean this process, even if the number is given to another one.
//
// Here the hostname is the container's, and all else is still the host's.
//
// Read: book/src/every-day.md#exec, setns(2), pidfd_open(2).

use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Command;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

/// Runs `program` in the UTS, mount and PID namespaces of `container`, and returns its exit status.
fn exec(container: Pid, program: &mut Command) -> Result<i32> {
    let container = pidfd_open(container)?;
    // TODO: this is one of three.
    setns(container, CloneFlags::CLONE_NEWUTS)?;
    let status = program.status()?;
    status.code().context("ended by a signal")
}

/// Returns a descriptor of a process: pidfd_open(2).
fn pidfd_open(process: Pid) -> Result<OwnedFd> {
    // SAFETY: it takes no pointer.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0) };
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(Errno::result(pidfd)? as i32) })
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use grader::exercise::{self, Container, Host};
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    const READ: &str = "book/src/every-day.md#exec and setns(2)";

    /// Where the program notes what it sees. It is on a mount that the container shares.
    const SEEN: &str = "/tmp/seen";

    const NONE: Option<&str> = None;

    /// Starts process 1 of a container with a name, mounts and a /proc of its own.
    fn container(host: &Host) -> Container<()> {
        host.may_change(&["uts", "mnt", "pid"]);
        host.play_as_init(|| {
            unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNS)?;
            mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
            Ok(mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE)?)
        })
    }

    #[test]
    fn the_program_is_in_the_three_namespaces_of_the_container() {
        exercise::as_root(READ, |host| {
            let container = container(host);
            host.may_leave(&["+ file: /tmp/seen"]);
            // Some readlink(1) takes one name.
            let each = "for kind in uts mnt pid ipc net; do readlink $kind; done";
            let script = format!("cd /proc/self/ns && {each} >>{SEEN}");
            host.run(|| exec(container.pid(), Command::new("sh").args(["-c", &script])));
            let seen = fs::read_to_string(SEEN).unwrap_or_default();
            let mut seen = seen.lines();
            for (kind, what) in [("uts", "UTS"), ("mnt", "mount"), ("pid", "PID")] {
                let namespace =
                    seen.next().unwrap_or("nothing: /proc there does not know the program");
                host.shows(&format!("the {what} namespace of the program"), namespace)
                    .should_be_that("the container's", container.namespace(kind));
            }
            for (kind, what) in [("ipc", "IPC"), ("net", "network")] {
                host.shows(
                    &format!("the {what} namespace of the program"),
                    seen.next().unwrap_or_default(),
                )
                .should_be(host.namespace(kind));
            }
        });
    }

    #[test]
    fn its_exit_status_is_returned() {
        exercise::as_root(READ, |host| {
            let container = container(host);
            for status in [3, 42] {
                let script = format!("exit {status}");
                let returned =
                    host.run(|| exec(container.pid(), Command::new("sh").args(["-c", &script])));
                host.shows("what `exec` returns", returned).should_be(status);
            }
        });
    }
}
