// Somebody has to ask.
//
// When a process ends, the kernel keeps its number and its exit status until its parent has asked for the status.
// When the parent ends first, process 1 of the PID namespace is the parent from then on. A process 1 that asks for
// none but its own program's gathers zombies, until no number is left.
//
// Read: book/src/03-pid.md#shell, wait(2), pid_namespaces(7).

use anyhow::{Result, bail};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// What process 1 does when it has started `program`: waits for its end, and returns its exit status, or an error where a
/// signal has ended it. Whoever else ends until then is no zombie for long, even if many end at once. It sleeps while
/// nobody ends.
fn reap(program: Pid) -> Result<i32> {
    // TODO: the program is not the only one that ends.
    match waitpid(program, None)? {
        WaitStatus::Exited(_, status) => Ok(status),
        end => bail!("no exit status: {end:?}"),
    }
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::{fs, process, thread};

    use grader::{exercise, probe};
    use nix::sys::signal::{Signal, kill, raise};
    use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
    use nix::unistd::{ForkResult, Pid, fork, pause, pipe, read, setsid, write};

    use super::*;

    const READ: &str = "book/src/03-pid.md#shell and wait(2)";

    /// Exit statuses of the program, which are no other's.
    const STATUSES: [i32; 2] = [7, 42];

    /// Where the program notes how many zombies there are.
    const ZOMBIES: &str = "/tmp/zombies";

    fn start(function: impl FnOnce() -> i32) -> Pid {
        // SAFETY: this process has one thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => process::exit(function()),
            ForkResult::Parent { child } => child,
        }
    }

    /// Starts a process whose parent has ended.
    fn start_orphan(function: impl FnOnce() -> i32) -> Pid {
        let (reader, writer) = pipe().unwrap();
        let parent = start(|| {
            write(&writer, &start(function).as_raw().to_ne_bytes()).unwrap();
            0
        });
        waitpid(parent, None).unwrap();
        let mut orphan = [0; 4];
        read(&reader, &mut orphan).unwrap();
        Pid::from_raw(i32::from_ne_bytes(orphan))
    }

    /// How many orphans there are at once.
    const MANY: usize = 20;

    /// Starts children of a process that does not ask for them, and ends. All of them have ended before.
    fn start_zombies() -> Vec<Pid> {
        let (reader, writer) = pipe().unwrap();
        let parent = start(|| {
            for _ in 0..MANY {
                let child = start(|| 0);
                waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
                write(&writer, &child.as_raw().to_ne_bytes()).unwrap();
            }
            0
        });
        waitpid(parent, None).unwrap();
        let mut number = [0; 4];
        let next = |_| {
            read(&reader, &mut number).unwrap();
            Pid::from_raw(i32::from_ne_bytes(number))
        };
        (0..MANY).map(next).collect()
    }

    /// Has orphans, which end, each in its way, and counts those that are still there some time later.
    fn program(status: i32) -> i32 {
        let killed = || {
            raise(Signal::SIGTERM).unwrap();
            0
        };
        let of_another_group = || {
            setsid().unwrap();
            4
        };
        let stopped = || {
            raise(Signal::SIGSTOP).unwrap();
            5
        };
        let stopped = start_orphan(stopped);
        let mut all = vec![stopped, start_orphan(|| 3), start_orphan(killed)];
        all.push(start_orphan(of_another_group));
        all.extend(start_zombies());
        let left = || all.iter().filter(|orphan| kill(**orphan, None).is_ok()).count();
        for _ in 0..200 {
            // Not once, since it may not have been stopped yet.
            let _ = kill(stopped, Signal::SIGCONT);
            if left() == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        fs::write(ZOMBIES, left().to_string()).unwrap();
        status
    }

    #[test]
    fn orphans_are_waited_for_while_the_program_runs() {
        exercise::as_root(READ, |host| {
            host.may_leave(&["+ file: /tmp/zombies", "- file: /tmp/zombies"]);
            for status in STATUSES {
                let init = host.start_as_init(|| reap(start(|| program(status))));
                host.shows("what process 1 returns in the end", init.value).should_be(status);
                let zombies = fs::read_to_string(ZOMBIES).unwrap();
                host.shows("the number of zombies while the program runs", zombies).should_be(0);
            }
        });
    }

    /// Returns the state that its parent is in most of the time, such as `S`: it sleeps. (The host's /proc has the
    /// host's numbers.)
    fn state_of_the_parent() -> String {
        let parent = probe::stat("self").swap_remove(1);
        let look = |_| {
            thread::sleep(Duration::from_millis(5));
            probe::stat(&parent).swap_remove(0)
        };
        let mut seen: Vec<_> = (0..41).map(look).collect();
        seen.sort();
        seen.swap_remove(seen.len() / 2)
    }

    #[test]
    fn process_1_sleeps_until_somebody_ends() {
        exercise::as_root(READ, |host| {
            host.may_leave(&["+ file: /tmp/parent"]);
            host.start_as_init(|| {
                reap(start(|| {
                    fs::write("/tmp/parent", state_of_the_parent()).unwrap();
                    0
                }))
            });
            let state = fs::read_to_string("/tmp/parent").unwrap();
            host.shows("the state of process 1 while the program runs", state).should_be("S");
        });
    }

    #[test]
    fn a_program_that_a_signal_has_ended_has_no_exit_status() {
        exercise::as_root(READ, |host| {
            let killed = || {
                raise(Signal::SIGTERM).unwrap();
                0
            };
            let init = host.start_as_init(|| {
                let returned = reap(start(killed));
                Ok(returned.map_or("an error".into(), |status| format!("the status {status}")))
            });
            host.shows("what process 1 returns when a signal has ended the program", init.value)
                .should_be("an error");
        });
    }

    #[test]
    fn a_process_that_is_left_behind_is_not_waited_for() {
        exercise::as_root(READ, |host| {
            host.may_leave(&["+ child: test"]);
            let forever = || {
                pause();
                0
            };
            let init = host.start_as_init(|| {
                reap(start(|| {
                    start_orphan(forever);
                    STATUSES[0]
                }))
            });
            host.shows("what process 1 returns in the end", init.value).should_be(STATUSES[0]);
            host.shows("the number of its children that are left", init.children().len())
                .should_be(1);
        });
    }
}
