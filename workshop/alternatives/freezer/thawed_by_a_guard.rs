// Thawed even if `look` panics.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Result, ensure};

fn while_frozen<T>(cgroup: &Path, look: impl FnOnce() -> T) -> Result<T> {
    let files = files(cgroup);
    fs::write(cgroup.join(files.switch), files.freeze)?;
    wait_until_frozen(cgroup)?;
    struct Thaw<'a>(&'a Path, &'a str);
    impl Drop for Thaw<'_> {
        fn drop(&mut self) {
            let _ = fs::write(self.0, self.1);
        }
    }
    let switch = cgroup.join(files.switch);
    let _thaw = Thaw(&switch, files.thaw);
    Ok(look())
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
