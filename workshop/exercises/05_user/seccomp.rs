// A call that is refused.
//
// Hundreds of system calls lead into the kernel, and a web server needs few of them. A filter of seccomp(2) is a small
// program that the kernel runs before each call: it sees the call's number and arguments, and says what becomes of it.
// Who may not gain privileges any more (no_new_privs) may install one without being root. It can't be taken off, and
// all that comes from the process has it.
//
// This one lets everything pass.
//
// Read: book/src/every-day.md#restrictions, seccomp(2), "Filters".

use anyhow::Result;
use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::prctl;

/// Has the kernel refuse a system call with EPERM, from now on and to this process. All others are as before.
fn refuse(call: c_long) -> Result<()> {
    let number = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
    let mut filter = [
        // Load the number of the call.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, number),
        // TODO: go on if it is `call`. Otherwise leave out so many of the next instructions.
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, call as u32),
        // TODO: an error instead, with its number.
        instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
        instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    install(&mut filter)
}

/// Returns an instruction. After a comparison that is false the next `skipped` ones are left out.
fn instruction(code: u32, skipped: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: skipped, k }
}

/// Installs a filter: seccomp(2).
fn install(filter: &mut [libc::sock_filter]) -> Result<()> {
    prctl::set_no_new_privs()?;
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel reads a program of the length that it is told.
    Errno::result(unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program) })?;
    Ok(())
}

fn main() {}

#[cfg(test)]
mod tests {
    use grader::exercise::{self, Host};
    use grader::probe;
    use nix::errno::Errno;
    use nix::libc::{self, c_long};
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::wait::{self, WaitStatus};
    use nix::unistd::{ForkResult, fork, sethostname};

    use super::*;

    const READ: &str = "book/src/every-day.md#restrictions and seccomp(2), \"Filters\"";

    /// Has the filters of a process be its own alone, of which it may have one.
    fn prepare(host: &Host) {
        host.leave_unwatched();
        host.may_leave(&["own NoNewPrivs", "own Seccomp", "own Seccomp_filters"]);
    }

    /// Makes two calls, and returns what comes of each, as in `EPERM, done`.
    fn try_both() -> String {
        let outcomes = [sethostname("kitchen"), unshare(CloneFlags::CLONE_NEWUTS)];
        let names = outcomes.map(|outcome| match outcome {
            Ok(()) => "done".to_owned(),
            Err(errno) => format!("{errno:?}"),
        });
        names.join(", ")
    }

    #[test]
    fn the_call_is_refused_and_another_one_is_not() {
        exercise::as_root(READ, |host| {
            prepare(host);
            host.may_change(&["uts"]);
            host.may_leave(&["- hostname:", "+ hostname:"]);
            for (call, name, expected) in [
                (libc::SYS_sethostname, "sethostname", "EPERM, done"),
                (libc::SYS_unshare, "unshare", "done, EPERM"),
            ] {
                let outcomes = host.run(|| {
                    refuse(call)?;
                    Ok(try_both())
                });
                let what = format!("sethostname and unshare, without call {call}, which is {name}");
                host.shows(&what, outcomes).should_be(expected);
            }
        });
    }

    /// Calls that have nothing to do with names.
    const OTHERS: [(&str, c_long); 9] = [
        ("chroot", libc::SYS_chroot),
        ("execve", libc::SYS_execve),
        ("kill", libc::SYS_kill),
        ("mount", libc::SYS_mount),
        ("openat", libc::SYS_openat),
        ("pivot_root", libc::SYS_pivot_root),
        ("setns", libc::SYS_setns),
        ("socket", libc::SYS_socket),
        ("umount2", libc::SYS_umount2),
    ];

    /// Makes these calls with arguments that they can't take, and returns what comes of each, a line for each.
    fn try_others() -> String {
        let outcomes = OTHERS.map(|(name, call)| {
            // SAFETY: none takes -1, as a pointer, a descriptor, or a number.
            let outcome = Errno::result(unsafe { libc::syscall(call, -1, -1, -1, -1, -1) });
            let outcome = outcome.map_or_else(|errno| format!("{errno:?}"), |_| "done".to_owned());
            format!("{name}: {outcome}")
        });
        outcomes.join("\n")
    }

    #[test]
    fn many_other_calls_are_as_before() {
        exercise::as_root(READ, |host| {
            prepare(host);
            let before = host.play(|| Ok(try_others()));
            let outcomes = host.run(|| {
                refuse(libc::SYS_sethostname)?;
                Ok(try_others())
            });
            host.shows("what comes of other calls, without sethostname", outcomes)
                .should_be(before.value);
        });
    }

    #[test]
    fn it_is_the_kernel_that_refuses() {
        exercise::as_root(READ, |host| {
            prepare(host);
            let process = host.start(|| refuse(libc::SYS_sethostname));
            host.shows("Seccomp in /proc/PID/status", probe::status(process.pid(), "Seccomp"))
                .should_be(libc::SECCOMP_MODE_FILTER);
        });
    }

    #[test]
    fn a_child_has_the_filter_too() {
        exercise::as_root(READ, |host| {
            prepare(host);
            let refused = host.run(|| {
                refuse(libc::SYS_getppid)?;
                // SAFETY: this process has one thread.
                match unsafe { fork() }? {
                    ForkResult::Child => {
                        // SAFETY: it takes nothing.
                        let parent = unsafe { libc::syscall(libc::SYS_getppid) };
                        std::process::exit(i32::from(parent == -1))
                    }
                    ForkResult::Parent { child } => Ok(match wait::waitpid(child, None)? {
                        WaitStatus::Exited(_, status) => status.to_string(),
                        other => format!("none: {other:?}"),
                    }),
                }
            });
            host.shows("the exit status of a child, 1 where the call is refused", refused)
                .should_be(1);
        });
    }
}
