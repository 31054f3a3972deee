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

/// Runs `program` in the UTS, mount and PID namespaces of `container`, and returns its exit status, or an error where a
/// signal has ended it. Arguments, environment and streams are what they would be here.
fn exec(container: Pid, program: &mut Command) -> Result<i32> {
    let container = pidfd_open(container)?;
    setns(
        container,
        CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID,
    )?;
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

// Why it works: with a pidfd setns(2) takes the flags of all kinds that are to be entered, and enters all of them or
// none. The caller itself stays in its PID namespace, as with unshare(2): its next child, which is the program, is born
// in the container's. It is a child of the caller all the same, so that the caller learns how it ends. What is not
// named, such as the network, stays the host's; `docker exec` names all kinds.

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::process::Command;

    use grader::exercise::{self, Container, Host};
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    use nix::unistd::dup2_stdout;

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
    fn it_is_run_as_it_is_asked_for() {
        exercise::as_root(READ, |host| {
            let container = container(host);
            host.may_leave(&["+ file: /tmp/seen", "own descriptor: 1"]);
            let script = "echo it is $ROOM, and there are $# arguments";
            host.run(|| {
                dup2_stdout(File::create(SEEN)?)?;
                let mut program = Command::new("sh");
                program.args(["-c", script, "sh", "one", "two"]).env("ROOM", "the kitchen");
                exec(container.pid(), &mut program)
            });
            host.shows("what the program writes", fs::read_to_string(SEEN).unwrap())
                .should_be("it is the kitchen, and there are 2 arguments\n");
        });
    }

    #[test]
    fn a_program_that_a_signal_has_ended_has_no_exit_status() {
        exercise::as_root(READ, |host| {
            let container = container(host);
            let outcome = host.run(|| {
                let returned = exec(container.pid(), Command::new("sh").args(["-c", "kill -9 $$"]));
                Ok(returned.map_or("an error".into(), |status| format!("the status {status}")))
            });
            host.shows("what `exec` returns when a signal has ended the program", outcome)
                .should_be("an error");
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
