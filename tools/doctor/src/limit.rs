//! A cgroup for an attempt of stage 08, made as that makes it, and removed.
//!
//! The stage has a library for it, which takes a minute to build: too long for a first look.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::diagnosis::{Cause, Known};
use common::lock::Lock;
use common::reexec::Step;
use nix::errno::Errno;
use nix::unistd::{Pid, getpid};
use testbed::cgroup;

/// Makes a cgroup below the one that this process is in, moves the process `container` there, and asks for a
/// limit. When this is dropped the cgroup is removed.
pub struct Limit {
    directory: PathBuf,
    /// The cgroups that were made to hand the controller down, the highest first.
    enabled: Vec<PathBuf>,
    /// As long as it is held, no stage changes what is below the parent.
    _turn: Lock,
}

impl Limit {
    pub fn new(container: Pid) -> Result<Limit> {
        let own = cgroup::of(getpid()).ok_or_else(|| {
            Known::new(
                Cause::NoPidsController,
                "no cgroup hierarchy with the controller pids is mounted",
            )
        })?;
        ensure!(
            read(&own, "cgroup.procs").lines().any(|line| line == getpid().to_string()),
            Known::new(
                Cause::CgroupNamespace,
                format!(
                    "this process is not in {}, where /proc/self/cgroup says that it is",
                    own.display()
                )
            )
        );
        // The stage's own.
        let turn = Lock::take("08-cgroups", &own)?;
        let mut limit = Limit { directory: PathBuf::new(), enabled: Vec::new(), _turn: turn };
        limit.set_up(&own, container)?;
        Ok(limit)
    }

    fn set_up(&mut self, own: &Path, container: Pid) -> Result<()> {
        let is_v2 = own.join("cgroup.controllers").exists();
        if is_v2 {
            self.enable(own)?;
        }
        // What is left when this is killed, the next start of stage 08 takes for one of its own.
        let number = 1_000_000 + getpid().as_raw();
        self.directory = own.join(format!("08-cgroups.{number}.{}", self.enabled.len()));
        let directory = &self.directory;
        fs::create_dir(directory).with_context(|| Step::Cgroup(directory.clone()))?;
        if is_v2 && read(directory, "cgroup.type").trim() == "domain invalid" {
            write(directory, "cgroup.type", "threaded")?;
        }
        ensure!(
            directory.join("pids.max").exists(),
            Known::new(
                Cause::NoPidsController,
                format!("{} has no controller pids", directory.display())
            )
        );
        write(directory, "pids.max", "20")?;
        // On v1 a write to cgroup.procs costs 7 ms.
        let processes = if is_v2 { "cgroup.procs" } else { "tasks" };
        write(directory, processes, &container.to_string())
    }

    /// Makes the controller pids one that the children of `cgroup` have.
    fn enable(&mut self, cgroup: &Path) -> Result<()> {
        let has_pids =
            |file| read(cgroup, file).split_whitespace().any(|controller| controller == "pids");
        if has_pids("cgroup.subtree_control") {
            return Ok(());
        }
        if !has_pids("cgroup.controllers") {
            let parent = cgroup.parent().filter(|parent| parent.join("cgroup.procs").exists());
            self.enable(parent.ok_or_else(|| {
                Known::new(Cause::NoPidsController, "cgroup v2 has no controller pids")
            })?)?;
        }
        write(cgroup, "cgroup.subtree_control", "+pids")?;
        self.enabled.push(cgroup.to_owned());
        Ok(())
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // Nobody tells when the last process has left a cgroup of version 1. What cannot be removed now, the
        // next start of stage 08 removes.
        for _ in 0..20 {
            match fs::remove_dir(&self.directory).map_err(|error| error.raw_os_error()) {
                Err(Some(code)) if code == Errno::EBUSY as i32 => {
                    thread::sleep(Duration::from_millis(5));
                }
                _ => break,
            }
        }
        let is_limited = |child: &PathBuf| {
            let limit = read(child, "pids.max");
            !limit.is_empty() && limit.trim() != "max"
        };
        for cgroup in self.enabled.iter().rev() {
            if cgroup::children(cgroup).iter().any(is_limited) {
                break;
            }
            let _ = fs::write(cgroup.join("cgroup.subtree_control"), "-pids");
        }
    }
}

fn read(cgroup: &Path, file: &str) -> String {
    fs::read_to_string(cgroup.join(file)).unwrap_or_default()
}

fn write(cgroup: &Path, file: &str, text: &str) -> Result<()> {
    let path = cgroup.join(file);
    fs::write(&path, text).with_context(|| Step::Cgroup(path.clone()))
}
