// One capability, and no other.
//
// A web server needs root to listen on port 80, and none of the other forty things that root may do. What a program
// can get at most on execve(2) is the bounding set of whoever starts it. A capability that is dropped from there is
// gone for good, for the process and all that come after it; so the one who drops it is the child, and not the
// launcher.
//
// Read: book/src/every-day.md#restrictions, capabilities(7), "Capability bounding set", prctl(2).

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use anyhow::Result;
use nix::libc::{self, c_int, c_ulong};

/// Starts `program` with no capability but `kept`, and no way to gain one. Its inheritable and its ambient set are those
/// of this process, as its arguments and its environment are what they would be without that.
fn start(program: &mut Command, kept: c_ulong) -> Result<Child> {
    let limit = move || -> io::Result<()> {
        for capability in 0..=last()? {
            if capability != kept {
                bounding_set(libc::PR_CAPBSET_DROP, capability)?;
            }
        }
        nix::sys::prctl::set_no_new_privs()?;
        Ok(())
    };
    // SAFETY: between fork(2) and execve(2) `limit` makes system calls, and nothing that another thread could hold.
    unsafe { program.pre_exec(limit) };
    Ok(program.spawn()?)
}

/// Returns the number of the last capability that this kernel knows.
fn last() -> io::Result<c_ulong> {
    let known = |capability: &c_ulong| bounding_set(libc::PR_CAPBSET_READ, *capability).is_ok();
    (0..).take_while(known).last().ok_or(io::ErrorKind::Unsupported.into())
}

/// Asks for a capability of this process's bounding set, or changes it.
fn bounding_set(operation: c_int, capability: c_ulong) -> io::Result<()> {
    // SAFETY: these operations take a number.
    match unsafe { libc::prctl(operation, capability, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn main() {}

// Why it works: when root executes a program, its new capabilities are those of the bounding set: that is the rule
// P'(permitted) for a file that has them all, which for root every file does. So until execve(2) the child still has
// its old ones, CAP_SETPCAP among them, which dropping takes. What is dropped from the effective set alone, root
// gets back with the next program. no_new_privs is for the other way to gain something, which are the files that
// bring it along: with the set-user-ID bit, or capabilities of their own. Neither can be taken back, and both are
// inherited.

#[cfg(test)]
mod tests {
    use std::process::Command;

    use anyhow::Result;
    use grader::exercise::{self, Container, Host};
    use grader::probe;
    use nix::libc::c_ulong;
    use nix::unistd::Pid;

    use super::*;

    const READ: &str = "book/src/every-day.md#restrictions and capabilities(7)";

    /// CAP_NET_BIND_SERVICE, to listen on a port below 1024: linux/capability.h.
    const BIND: c_ulong = 10;

    /// CAP_MKNOD, and one above 31.
    const OTHERS: [c_ulong; 2] = [27, 37];

    /// Returns the one child of the launcher, which it has said it has.
    fn child(host: &Host, launcher: &Container<i32>) -> Pid {
        let children = launcher.children().iter().map(Pid::to_string).collect::<Vec<_>>().join(" ");
        host.shows("the children of the launcher", children).should_be(launcher.value);
        Pid::from_raw(launcher.value)
    }

    /// Starts a program that has time, and returns its process id.
    fn start_sleep(kept: c_ulong) -> Result<i32> {
        Ok(start(Command::new("sleep").arg("60"), kept)?.id() as i32)
    }

    #[test]
    fn it_is_the_program_that_was_asked_for() {
        exercise::as_root(READ, |host| {
            host.may_leave(&["+ child: tail"]);
            let follow = || {
                let child = start(Command::new("tail").args(["-f", "/dev/null"]), BIND)?;
                Ok(child.id() as i32)
            };
            let launcher = host.start(follow);
            let program = child(host, &launcher);
            host.shows("what is executed", probe::status(program, "Name")).should_be("tail");
            host.shows("the program and its arguments", probe::command_line(program))
                .should_be("tail -f /dev/null");
            let path = |environment: String| {
                let mut variables = environment.split('\0').map(str::to_owned);
                variables.find(|variable| variable.starts_with("PATH=")).unwrap_or_default()
            };
            host.shows("a variable of its environment", path(probe::read(program, "environ")))
                .should_be(path(launcher.read("environ")));
        });
    }

    #[test]
    fn the_program_has_one_capability() {
        exercise::as_root(READ, |host| {
            host.may_leave(&["+ child: sleep"]);
            for kept in [BIND].into_iter().chain(OTHERS) {
                let launcher = host.start(|| start_sleep(kept));
                let program = child(host, &launcher);
                // The set with this one alone, as /proc shows it.
                let alone = format!("{:016x}", 1_u64 << kept);
                host.shows("the program's capabilities", probe::status(program, "CapEff"))
                    .should_be(&alone);
                host.shows("the program's bounding set", probe::status(program, "CapBnd"))
                    .should_be(&alone);
                host.shows("the program's no_new_privs", probe::status(program, "NoNewPrivs"))
                    .should_be(1);
                for (set, name) in [("CapAmb", "ambient"), ("CapInh", "inheritable")] {
                    host.shows(&format!("the program's {name} set"), probe::status(program, set))
                        .should_be_that("the launcher's", probe::status(launcher.pid(), set));
                }
            }
        });
    }

    #[test]
    fn the_launcher_keeps_what_it_has() {
        exercise::as_root(READ, |host| {
            host.may_leave(&["+ child: sleep"]);
            let launcher = host.start(|| start_sleep(BIND));
            for set in ["CapBnd", "CapEff"] {
                host.shows("a set of the launcher's", probe::status(launcher.pid(), set))
                    .should_be(probe::status(Pid::this(), set));
            }
        });
    }
}
