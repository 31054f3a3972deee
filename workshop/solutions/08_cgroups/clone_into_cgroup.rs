// Born there.
//
// To move a process into a cgroup takes two steps: it is started, and then moved. What it does in between, nobody limits.
// Since Linux 5.7 clone3(2) can do both at once: the child is in the cgroup at its first instruction, and has never been
// in another one. That is for cgroup v2 alone.
//
// This child is born where its parent is.
//
// Read: book/src/around.md#calls, clone(2), "CLONE_INTO_CGROUP".

use std::fs::File;
use std::mem;
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::Pid;

/// The flag, which is for clone3(2): linux/sched.h.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Starts a process that is in `cgroup`, an open directory, from its first instruction on. It runs `life`, and ends.
fn start_in(cgroup: &File, life: impl FnOnce()) -> Result<Pid> {
    // SAFETY: zero is a value that all of its fields can have.
    let mut arguments: libc::clone_args = unsafe { mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.cgroup = cgroup.as_raw_fd() as u64;
    let size = mem::size_of_val(&arguments);
    // SAFETY: this process has one thread. Without a stack of its own the child goes on here, as after fork(2).
    let child = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) };
    if Errno::result(child)? == 0 {
        life();
        std::process::exit(0)
    }
    Ok(Pid::from_raw(child as i32))
}

fn main() {}

// Why it works: the kernel puts a new process into a cgroup before it runs for the first time. That is its parent's,
// unless the flag says which. So no limit is there too late, and nothing is moved, which would take a lock that all
// cgroups of the machine share. The descriptor stands for the directory, whatever its name is by now. Who may do this is
// who may move a process there: both cgroups' common ancestor counts as well.

#[cfg(test)]
mod tests {
    use std::fs;

    use grader::WRITES;
    use grader::exercise::{self, Host};
    use nix::unistd::pause;

    use super::*;

    const READ: &str = "book/src/around.md#calls and clone(2), \"CLONE_INTO_CGROUP\"";

    /// Makes a cgroup of this name, and opens it.
    fn open(host: &Host, name: &str) -> File {
        host.need_cgroup_v2();
        host.may_leave(&["+ child: test"]);
        let cgroup = host.cgroup().join(name);
        fs::create_dir(&cgroup).unwrap();
        File::open(cgroup).unwrap()
    }

    #[test]
    fn the_child_is_in_the_cgroup_and_its_parent_is_not() {
        exercise::with_cgroup("freezer", READ, |host| {
            for name in ["container", "container/below"] {
                let cgroup = open(host, name);
                let parent = host.start(|| Ok(start_in(&cgroup, pause)?.as_raw()));
                let child = Pid::from_raw(parent.value);
                host.shows("the cgroup of the child", host.cgroup_of(child))
                    .should_be(format!("/{name}"));
                host.shows("the cgroup of its parent", host.cgroup_of(parent.pid()))
                    .should_be("/../host");
            }
        });
    }

    #[test]
    fn nobody_is_moved() {
        exercise::with_cgroup("freezer", READ, |host| {
            let cgroup = open(host, "container");
            let mut moved = String::new();
            let look = |call: &grader::Call| {
                if call.file.ends_with("cgroup.procs") {
                    moved += &format!("a write to {}", call.file.display());
                }
            };
            host.watch(&WRITES, look, || start_in(&cgroup, pause).map(drop));
            host.shows("what has moved a process", moved).should_be("");
        });
    }
}
