// One process, several numbers.
//
// A process is in the PID namespace that it was born in, and in all those above, up to the machine's first. Each has
// a number of its own for it. So "process 1" says little as long as nobody says where.
// /proc/PID/status has all of the numbers, in one line.
//
// Read: book/src/03-pid.md#run, pid_namespaces(7), proc_pid_status(5) (in Debian 12: proc(5)).

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// Returns all numbers of `process`, from the one in /proc inwards.
fn numbers(process: Pid) -> Result<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.context("no NSpid")?.split_whitespace().map(str::parse);
    Ok(numbers.collect::<Result<_, _>>()?)
}

fn main() {}

// Why it works: the kernel keeps one number for each level, and NSpid (Linux 4.1) has those from the level of the
// proc file system inwards. Here that is the host's, so the host's number comes first and the innermost last. The
// same file read in the container's own /proc begins with 1: what is further out has no number there. A process of
// the host alone is on one level.

#[cfg(test)]
mod tests {
    use std::process::exit;

    use grader::{exercise, probe};
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::wait::wait;
    use nix::unistd::{ForkResult, fork, pause, pipe, read, write};

    use super::*;

    const READ: &str = "book/src/03-pid.md#run and pid_namespaces(7)";

    /// Starts a process for a function, with which it ends.
    fn start(function: impl FnOnce()) {
        // SAFETY: this process has one thread.
        if let Ok(ForkResult::Child) = unsafe { fork() } {
            function();
            exit(0);
        }
    }

    #[test]
    fn process_1_of_a_container_has_two_numbers() {
        exercise::as_root(READ, |host| {
            let container = host.play_as_init(|| Ok(()));
            let numbers = host.run(|| numbers(container.pid()));
            host.shows("the numbers of a container's process 1", format!("{numbers:?}"))
                .should_be(format!("{:?}", [container.pid().as_raw(), 1]));
        });
    }

    #[test]
    fn a_container_in_a_container_has_three() {
        exercise::as_root(READ, |host| {
            let container = host.play_as_init(|| {
                // The numbers 2 to 4 are used up.
                for _ in 0..3 {
                    start(|| ());
                    wait()?;
                }
                unshare(CloneFlags::CLONE_NEWPID)?;
                start(|| {
                    pause();
                });
                Ok(())
            });
            let inner = container.children()[0];
            let numbers = host.run(|| numbers(inner));
            host.shows("the numbers of a process two namespaces deep", format!("{numbers:?}"))
                .should_be(format!("{:?}", [inner.as_raw(), 5, 1]));
        });
    }

    /// Starts process 1 of one more container, which stays when it has called a function.
    fn start_container(function: impl FnOnce()) {
        unshare(CloneFlags::CLONE_NEWPID).unwrap();
        start(|| {
            function();
            pause();
        });
    }

    #[test]
    fn the_second_process_three_containers_deep_has_four() {
        exercise::as_root(READ, |host| {
            let container = host.play_as_init(|| {
                let (born, birth) = pipe()?;
                let second = || {
                    start(|| {
                        write(&birth, b"!").unwrap();
                        pause();
                    })
                };
                start_container(|| start_container(second));
                read(&born, &mut [0])?;
                Ok(())
            });
            let deepest = probe::descendants(container.pid())[2];
            let numbers = host.run(|| numbers(deepest));
            host.shows("the numbers of a process three namespaces deep", format!("{numbers:?}"))
                .should_be(format!("{:?}", [deepest.as_raw(), 4, 3, 2]));
        });
    }

    #[test]
    fn a_process_of_the_host_has_one() {
        exercise::as_root(READ, |host| {
            let process = host.play(|| Ok(()));
            let numbers = host.run(|| numbers(process.pid()));
            host.shows("the numbers of a process of the host", format!("{numbers:?}"))
                .should_be(format!("{:?}", [process.pid().as_raw()]));
        });
    }
}
