// Root, before it is too late.
//
// In a new user namespace nobody has a number: there is no map. You may map one user and one group, your own, and
// for the group the kernel asks a price. All of that comes before the first execve(2): a program that nobody
// executes has no capability, and a map that is written later brings none back.
//
// Read: book/src/05-user.md#maps, user_namespaces(7), "The /proc/pid/setgroups file".

use std::ffi::CStr;
use std::fs;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::unistd::{self, Pid, execvp, pipe2, read};

/// Starts a program as root of a user namespace of its own.
fn start(program: &[&CStr]) -> Result<Pid> {
    let (hold, go) = pipe2(OFlag::O_CLOEXEC)?;
    let (executed, executing) = pipe2(OFlag::O_CLOEXEC)?;
    let copy = go.as_raw_fd();
    let park_and_execute = || {
        // Parked until the file ends, since then the parent has closed `go`.
        let parked = unistd::close(copy).and_then(|()| read(&hold, &mut [0]));
        parked.and_then(|_| execvp(program[0], program)).map_or(127, |_| 0)
    };
    let (flags, signal) = (CloneFlags::CLONE_NEWUSER, Some(libc::SIGCHLD));
    let mut stack = vec![0; 64 * 1024];
    // SAFETY: this process has one thread, and the child a copy of its memory.
    let child = unsafe { clone(Box::new(park_and_execute), &mut stack, flags, signal) }?;
    drop(go);
    // This file ends with execve(2), which closes `executing`.
    drop(executing);
    read(&executed, &mut [0])?;
    // TODO: this comes too late, and the group is missing.
    write_proc(child, "uid_map", &format!("0 {} 1", unistd::getuid()))?;
    Ok(child)
}

/// Writes `text` to /proc/`process`/`file`.
fn write_proc(process: Pid, file: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{process}/{file}");
    fs::write(path, text).with_context(|| format!("write {text:?} to {file}"))
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::fs;

    use grader::exercise::{self, Container, Host};
    use grader::probe;
    use nix::unistd::{self, Pid};

    use super::*;

    const READ: &str = "book/src/05-user.md#maps and user_namespaces(7)";

    const PROGRAM: &[&CStr] = &[c"sleep", c"60"];

    /// Another one that goes on.
    const OTHER: &[&CStr] = &[c"tail", c"-f", c"/dev/null"];

    /// Returns the program that has been started.
    fn program(host: &Host, launcher: &Container<i32>) -> Pid {
        let children = launcher.children().iter().map(Pid::to_string).collect::<Vec<_>>().join(" ");
        host.shows("the children of who has started the program", children)
            .should_be(launcher.value);
        Pid::from_raw(launcher.value)
    }

    /// The line of a map, without the blanks that the kernel puts in.
    fn map(process: Pid, file: &str) -> String {
        probe::read(process, file).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn root_and_its_group_are_you() {
        exercise::on_the_machine(READ, |host| {
            host.may_change(&["user"]);
            let launcher = host.start(|| start(PROGRAM).map(Pid::as_raw));
            let program = program(host, &launcher);
            host.shows("the map of the program's users", map(program, "uid_map"))
                .should_be(format!("0 {} 1", unistd::getuid()));
            host.shows("the map of the program's groups", map(program, "gid_map"))
                .should_be(format!("0 {} 1", unistd::getgid()));
        });
    }

    #[test]
    fn the_program_has_the_capabilities_of_root() {
        exercise::on_the_machine(READ, |host| {
            host.may_change(&["user"]);
            for (command, executed) in [(PROGRAM, "sleep 60"), (OTHER, "tail -f /dev/null")] {
                let launcher = host.start(|| start(command).map(Pid::as_raw));
                let program = program(host, &launcher);
                host.shows("what is executed", probe::command_line(program)).should_be(executed);
                // One bit for each that this kernel knows.
                let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
                let all = u64::MAX >> (63 - last.trim().parse::<u32>().unwrap());
                host.shows("the program's capabilities", probe::status(program, "CapEff"))
                    .should_be(format!("{all:016x}"));
            }
        });
    }
}
