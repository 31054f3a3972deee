// A /proc that shows the container.
//
// ps(1) lists the directories of /proc. What is there depends on who has mounted it, and not on who looks: a proc
// file system shows the PID namespace that its mounter was in. unshare(2) does not move its caller to the new PID
// namespace. The next child is born there, as process 1.
//
// `container` starts such a child, and mounts a proc. But that one shows the host's processes.
//
// Read: book/src/03-pid.md#failure, pid_namespaces(7), unshare(2).

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Starts sleep(1) as process 1 of a container, with a /proc that shows the container's processes.
fn container() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    // TODO: somebody else has to do this.
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE)?;
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    // SAFETY: this process has one thread, so `set_up` may do there what it likes.
    unsafe { sleep.pre_exec(set_up) };
    sleep.spawn()?;
    Ok(())
}

/// Runs in the child, just before it executes sleep(1). Where it fails, so does `spawn`.
fn set_up() -> io::Result<()> {
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;

    use grader::probe::processes;
    use grader::{exercise, probe};
    use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};

    use super::*;

    const READ: &str = "book/src/03-pid.md#failure and pid_namespaces(7)";

    /// Returns all processes in /proc, as `number name`.
    fn list() -> String {
        let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        processes().iter().map(|pid| format!("{pid} {}", name(pid))).collect()
    }

    #[test]
    fn the_container_sees_itself_alone_and_the_host_what_it_saw() {
        exercise::as_root(READ, |host| {
            host.may_change(&["mnt", "pid"]);
            host.may_mount_inside(&["/proc, rw, proc"]);
            host.may_leave(&["+ child: sleep"]);
            let before = list();
            let container = host.start(container);
            host.shows("the processes in the host's /proc", list()).should_have(before);
            // Wherever the first process of it is by now.
            let children = container.children();
            let first = *children.first().unwrap_or(&container.pid());
            host.shows("the processes in the container's /proc", host.inside_process(first, list))
                .should_be("1 sleep\n");
            // A name can be given, a command line comes with a program.
            let command = probe::read(first, "cmdline").replace('\0', " ");
            host.shows("the command line of the container's process 1", command.trim_end())
                .should_be("sleep 1000");
            let kind = host.inside_process(first, || {
                statfs("/proc")
                    .is_ok_and(|file_system| file_system.filesystem_type() == PROC_SUPER_MAGIC)
            });
            host.shows("whether a proc file system is on the container's /proc", kind)
                .should_be(true);
        });
    }
}
