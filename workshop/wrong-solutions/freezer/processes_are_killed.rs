// refused with: what your function leaves on the host
// refused with: - process:

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Result, ensure};
fn while_frozen<T>(cgroup: &Path, look: impl FnOnce() -> T) -> Result<T> {
    let files = files(cgroup);
    fs::write(cgroup.join(files.switch), files.freeze)?;
    wait_until_frozen(cgroup)?;
    let seen = look();
    for process in fs::read_to_string(cgroup.join("cgroup.procs"))?.lines() {
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(process.parse()?),
            nix::sys::signal::Signal::SIGKILL,
        )?;
    }
    fs::write(cgroup.join(files.switch), files.thaw)?;
    Ok(seen)
}
fn wait_until_frozen(cgroup: &Path) -> Result<()> {
    let (start, Files { state, frozen, .. }) = (Instant::now(), files(cgroup));
    while !fs::read_to_string(cgroup.join(state))?.contains(frozen) {
        ensure!(start.elapsed() < Duration::from_secs(2), "{state} still has no `{frozen}`");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
struct Files {
    switch: &'static str,
    freeze: &'static str,
    thaw: &'static str,
    state: &'static str,
    frozen: &'static str,
}
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
