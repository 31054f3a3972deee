// Half a processor, or a twentieth.
//
// A quota bounds the processor time of a cgroup: so many microseconds in each period of 100,000. Whoever has used
// them up waits for the next period. That holds even if nobody else wants the processor, unlike a share such as
// cpu.weight. One file has the quota, and it has other names on cgroup v1 and v2: `quota_file` knows them.
//
// Read: book/src/every-day.md#cpus, and cgroup-v2.rst of the kernel's documentation, "cpu.max".

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::unistd::Pid;

/// The period that a new cgroup has, in microseconds.
const PERIOD: u64 = 100_000;

/// Moves `process` to `cgroup`, whose processes together get at most so many percent of one processor.
fn limit_cpu(cgroup: &Path, process: Pid, percent: u64) -> Result<()> {
    let file = quota_file(cgroup);
    // TODO: the quota is in microseconds of a period. And then the process.
    fs::write(file, percent.to_string())?;
    let _ = (process, PERIOD);
    Ok(())
}

/// Returns the file for the quota. That of v2 shows the period as well, and leaves it when one number is written.
fn quota_file(cgroup: &Path) -> PathBuf {
    let v2 = cgroup.join("cpu.max");
    if v2.exists() { v2 } else { cgroup.join("cpu.cfs_quota_us") }
}

fn main() {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use anyhow::Result;
    use grader::exercise::{self, Host, Parked};
    use nix::libc;

    use super::*;

    const READ: &str = "book/src/every-day.md#cpus and cgroup-v2.rst, \"cpu.max\"";

    /// What the task is about, on cgroup v2 and on v1.
    const LIMITS: [&str; 2] = ["container's limit: cpu.max", "container's limit: cpu.cfs_quota_us"];

    const PERCENT: u64 = 5;

    /// Keeps a processor busy for 50 ms of its time: with the limit, for a second.
    fn work() -> Result<()> {
        let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        while used.tv_sec == 0 && used.tv_nsec < 50_000_000 {
            // SAFETY: the kernel writes a time to where there is one.
            unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used) };
        }
        Ok(())
    }

    /// Limits a process that is about to `work`.
    fn start(host: &Host) -> Parked<'_, ()> {
        let cgroup = host.cgroup().join("container");
        fs::create_dir(&cgroup).unwrap();
        let container = host.park(work);
        host.may_leave(&LIMITS);
        host.run(|| limit_cpu(&cgroup, container.pid(), PERCENT));
        container
    }

    /// What a quota file shows.
    fn quota(cgroup: &Path) -> String {
        fs::read_to_string(quota_file(cgroup)).unwrap().trim_end().into()
    }

    #[test]
    fn the_container_is_in_a_cgroup_with_the_quota() {
        exercise::with_cgroup("cpu", READ, |host| {
            let container = start(host);
            host.shows("the cgroup of the container", host.cgroup_of(container.pid()))
                .should_be("/container");
            let cgroup = host.cgroup().join("container");
            let period = if cgroup.join("cpu.max").exists() { " 100000" } else { "" };
            host.shows("the quota of that cgroup", quota(&cgroup))
                .should_be(format!("5000{period}"));
        });
    }

    #[test]
    fn the_kernel_makes_the_container_wait() {
        exercise::with_cgroup("cpu", READ, |host| {
            start(host).release();
            let events = host.read_cgroup("container/cpu.stat");
            let throttled = events.lines().find(|line| line.starts_with("nr_throttled"));
            host.shows(
                "in how many periods it had to wait, in cpu.stat",
                throttled.unwrap_or("none"),
            )
            .should_not_be("nr_throttled 0");
        });
    }

    #[test]
    fn the_quota_is_there_before_the_process() {
        exercise::with_cgroup("cpu", READ, |host| {
            let cgroup = host.cgroup().join("container");
            fs::create_dir(&cgroup).unwrap();
            let container = host.park(work);
            let name = quota_file(&cgroup).file_name().unwrap().to_string_lossy().into_owned();
            host.may_leave(&LIMITS);
            let limit = || limit_cpu(&cgroup, container.pid(), 150);
            let shown = host.at_the_move(&format!("container/{name}"), limit);
            let period = if name == "cpu.max" { " 100000" } else { "" };
            host.shows("the quota when the process is moved", shown)
                .should_be(format!("150000{period}"));
        });
    }

    #[test]
    fn nobody_else_is_limited() {
        exercise::with_cgroup("cpu", READ, |host| {
            let all =
                || format!("{}, {}", quota(host.cgroup()), quota(&host.cgroup().join("../host")));
            let before = all();
            start(host).release();
            host.shows("the quotas of the host's cgroups", all()).should_be(before);
        });
    }
}
