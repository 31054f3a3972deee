// All of them stand still.
//
// To stop a container with signals is a race: while one process is stopped, another makes a new one. The freezer
// stops a whole cgroup, and its processes do not notice. To ask for it is not to have it: the kernel says when the
// last one has stopped. The files have other names on cgroup v1 and v2: `Files` knows them.
//
// Read: book/src/every-day.md#pause, and cgroup-v2.rst of the kernel's documentation, "cgroup.freeze".

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Result, ensure};

/// Calls `look` while all processes of `cgroup` stand still. Afterwards they go on.
fn while_frozen<T>(cgroup: &Path, look: impl FnOnce() -> T) -> Result<T> {
    let files = files(cgroup);
    fs::write(cgroup.join(files.switch), files.freeze)?;
    wait_until_frozen(cgroup)?;
    let seen = look();
    fs::write(cgroup.join(files.switch), files.thaw)?;
    Ok(seen)
}

/// Waits until the kernel says that the last one has stopped.
fn wait_until_frozen(cgroup: &Path) -> Result<()> {
    let (start, Files { state, frozen, .. }) = (Instant::now(), files(cgroup));
    while !fs::read_to_string(cgroup.join(state))?.contains(frozen) {
        ensure!(start.elapsed() < Duration::from_secs(2), "{state} still has no `{frozen}`");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The names of files, and what is written to the first and read in the second.
struct Files {
    switch: &'static str,
    freeze: &'static str,
    thaw: &'static str,
    state: &'static str,
    frozen: &'static str,
}

/// Returns the names that a cgroup's files have.
fn files(cgroup: &Path) -> Files {
    if cgroup.join("cgroup.freeze").exists() {
        let (switch, state) = ("cgroup.freeze", "cgroup.events");
        return Files { switch, freeze: "1", thaw: "0", state, frozen: "frozen 1" };
    }
    let file = "freezer.state";
    Files { switch: file, freeze: "FROZEN", thaw: "THAWED", state: file, frozen: "FROZEN" }
}

// Why it works: the kernel asks each process of the cgroup to stop where it does no harm, at the border between
// kernel and user space, and counts those that have. One that is made in the meantime is in the cgroup as well, and
// stops, too. Nobody is told, unlike with SIGSTOP, of which the parent hears; and those that somebody had stopped
// before are not woken by the thaw. This is what `docker pause` does. Whatever `look` has seen, the thaw comes
// before this function returns.

fn main() {}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::{fs, thread};

    use anyhow::Result;
    use grader::exercise::{self, Container, Host};
    use grader::probe;
    use nix::libc;
    use nix::unistd::{ForkResult, Pid, fork};

    use super::*;

    const READ: &str = "book/src/every-day.md#pause and cgroup-v2.rst, \"cgroup.freeze\"";

    /// Starts a process that never rests for long. Returns its id.
    fn restless() -> Result<i32> {
        // SAFETY: this process has one thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(child.as_raw()),
            ForkResult::Child => loop {
                thread::sleep(Duration::from_millis(1));
            },
        }
    }

    /// Starts such a process in a cgroup of this name.
    fn start(host: &Host, name: &str) -> Container<i32> {
        let cgroup = host.cgroup().join(name);
        fs::create_dir(&cgroup).unwrap();
        let container = host.park(restless);
        fs::write(cgroup.join("cgroup.procs"), container.pid().to_string()).unwrap();
        container.release()
    }

    /// Returns how often the process has rested.
    fn rests(container: &Container<i32>) -> String {
        probe::status(Pid::from_raw(container.value), "voluntary_ctxt_switches")
    }

    /// Returns whether the process goes on, which takes it a while on a busy machine.
    fn goes_on(container: &Container<i32>) -> bool {
        // What is about to stop may rest once more.
        thread::sleep(Duration::from_millis(50));
        let before = rests(container);
        (0..20).any(|_| {
            thread::sleep(Duration::from_millis(50));
            rests(container) != before
        })
    }

    #[test]
    fn the_container_stands_still_while_it_is_looked_at() {
        exercise::with_cgroup("freezer", READ, |host| {
            let container = start(host, "container");
            let cgroup = host.cgroup().join("container");
            let Files { state, frozen, .. } = files(&cgroup);
            let look = || (host.read_cgroup(&format!("container/{state}")), goes_on(&container));
            let (shown, goes_on) = host.run(|| while_frozen(&cgroup, look));
            host.shows(&format!("{state} at that time"), shown).should_have(frozen);
            host.shows("whether the process goes on at that time", goes_on).should_be(false);
        });
    }

    /// Starts a process that stops when the kernel has given it a lot of memory, and never before. Returns its id.
    fn slow_to_stop() -> Result<i32> {
        // SAFETY: this process has one thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(child.as_raw()),
            ForkResult::Child => loop {
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
                let (size, access) = (64 << 20, libc::PROT_READ | libc::PROT_WRITE);
                // SAFETY: nobody else knows of this memory.
                unsafe {
                    let memory = libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0);
                    libc::munmap(memory, size);
                }
            },
        }
    }

    #[test]
    fn who_looks_has_waited_for_the_last_one() {
        exercise::with_cgroup("freezer", READ, |host| {
            let cgroup = host.cgroup().join("container");
            fs::create_dir(&cgroup).unwrap();
            let slow = [host.park(slow_to_stop), host.park(slow_to_stop)];
            let _slow = slow.map(|slow| {
                fs::write(cgroup.join("cgroup.procs"), slow.pid().to_string()).unwrap();
                slow.release()
            });
            let Files { state, frozen, .. } = files(&cgroup);
            let shown = host
                .run(|| while_frozen(&cgroup, || host.read_cgroup(&format!("container/{state}"))));
            host.shows(&format!("{state} when it is looked at"), shown).should_have(frozen);
        });
    }

    #[test]
    fn the_container_goes_on_afterwards() {
        exercise::with_cgroup("freezer", READ, |host| {
            let container = start(host, "container");
            let cgroup = host.cgroup().join("container");
            host.run(|| while_frozen(&cgroup, || ()));
            let Files { state, frozen, .. } = files(&cgroup);
            host.shows("whether the process goes on afterwards", goes_on(&container))
                .should_be(true);
            host.shows(
                &format!("{state} afterwards"),
                host.read_cgroup(&format!("container/{state}")),
            )
            .should_not_have(frozen);
        });
    }

    #[test]
    fn nobody_else_is_stopped() {
        exercise::with_cgroup("freezer", READ, |host| {
            let (_container, other) = (start(host, "container"), start(host, "other"));
            let cgroup = host.cgroup().join("container");
            let goes_on = host.run(|| while_frozen(&cgroup, || goes_on(&other)));
            host.shows("whether a process of another cgroup goes on", goes_on).should_be(true);
        });
    }
}
