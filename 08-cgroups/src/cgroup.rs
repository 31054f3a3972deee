//! A cgroup with a limit of processes: cgroups(7), and cgroup-v2.rst in the kernel's documentation.
//!
//! It is a child of the cgroup that the caller is in: what limits the caller limits the container as well. On
//! cgroup v1 it is in the hierarchy of the controller pids, and in no other.
//!
//! The crate cgroups-rs knows where both versions keep their files. What it leaves to its caller is done here,
//! and each time a comment says what that is.

use std::error::Error;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use cgroups_rs::CgroupPid;
use cgroups_rs::fs::cgroup::{CGROUP_MODE_DOMAIN_INVALID, CGROUP_MODE_THREADED};
use cgroups_rs::fs::cgroup::{Cgroup, get_cgroups_relative_paths};
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{Controller, MaxValue, hierarchies};
use common::check::warn;
use common::diagnosis::{Cause, Known};
use common::directories::remove_directories;
use common::lock::Lock;
use common::reexec::Step;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getpid, mkdir};

/// The most that pids.max takes: the highest number of processes that a 64-bit machine can have.
const HIGHEST: i64 = 4 * 1024 * 1024;

/// Reads a limit of processes: a number, or `max` for none.
pub fn parse_pids_max(text: &str) -> Result<MaxValue, String> {
    match text.parse() {
        _ if text == "max" => Ok(MaxValue::Max),
        Ok(limit) if (0..=HIGHEST).contains(&limit) => Ok(MaxValue::Value(limit)),
        _ => Err(format!("not a number from 0 to {HIGHEST}, nor `max`")),
    }
}

/// A cgroup with a limit of processes, for one container. Dropped, it is removed.
pub struct PidsCgroup {
    cgroup: Cgroup,
    directory: PathBuf,
    pids_max: MaxValue,
    /// How many cgroups, from the parent of this one upwards, have been made to hand the controller down.
    levels: usize,
    /// Locked while the launcher lives. That tells a cgroup in use from one that a killed launcher has left.
    in_use: Option<Flock<File>>,
}

impl PidsCgroup {
    /// Makes a cgroup for at most `pids_max` processes, and moves the process `container`, which waits, there.
    pub fn create(pids_max: MaxValue, container: Pid) -> Result<PidsCgroup> {
        let own = own_cgroup()?;
        let parent = pids(&own)?.path();
        let _turn = take_turn(parent)?;
        let left = Name::all_in(parent)?;
        remove_abandoned(parent, &left);
        let enabled = if own.v2() { enable_for_children(parent)? } else { 0 };
        let is_free = |number: &usize| left.iter().all(|name| name.number != *number);
        let levels = left.iter().map(|name| name.levels).fold(enabled, usize::max);
        let name = Name { number: (1..).find(is_free).unwrap_or(0), levels }.to_string();
        let path = Path::new(own.path()).join(&name);
        // `Cgroup::new` would make a directory in each hierarchy of cgroup v1: the controller has to be named.
        let only = vec!["pids".into()];
        let cgroup = Cgroup::load_with_specified_controllers(hierarchies::auto(), path, only);
        let directory = parent.join(name);
        let mut created = PidsCgroup { cgroup, directory, pids_max, levels, in_use: None };
        if let Err(error) = created.set_up(container) {
            // What this says next to that would not help.
            let _ = created.clean_up();
            return Err(error);
        }
        Ok(created)
    }

    fn set_up(&mut self, container: Pid) -> Result<()> {
        let (cgroup, directory) = (&self.cgroup, self.directory.display());
        // Nobody else can open what is about to be locked. `cgroup.create` takes no mode.
        mkdir(&self.directory, Mode::S_IRWXU)
            .with_context(|| Step::Cgroup(self.directory.clone()))?;
        for (file, mode) in [("cgroup.procs", 0o600), (".", 0o755)] {
            let set = fs::set_permissions(self.directory.join(file), Permissions::from_mode(mode));
            set.with_context(|| format!("chmod {file} of {directory}"))?;
        }
        self.in_use = Some(lock(&self.directory)?);
        if cgroup.v2() && cgroup.get_cgroup_type().map_err(errno)? == CGROUP_MODE_DOMAIN_INVALID {
            // The launcher is in the parent. A cgroup with processes hands controllers down to threaded
            // children alone, and only such as pids, which can tell threads apart: cgroups(7), "no internal
            // processes" rule.
            let threaded = cgroup.set_cgroup_type(CGROUP_MODE_THREADED).map_err(errno);
            threaded.with_context(|| format!("make {directory} threaded"))?;
        }
        // Where the controller is missing, cgroups-rs would try to create the file.
        let missing =
            || Known::new(Cause::NoPidsController, format!("{directory} has no controller pids"));
        ensure!(self.directory.join("pids.max").exists(), missing());
        let limited = pids(cgroup)?.set_pid_max(self.pids_max).map_err(errno);
        limited.with_context(|| format!("set pids.max of {directory} to {}", self.pids_max))?;
        // `add_task` would move a thread, which cgroup v2 does between threaded cgroups alone.
        let moved = cgroup.add_task_by_tgid(CgroupPid::from(container.as_raw() as u64));
        moved.map_err(errno).with_context(|| format!("move the container to {directory}"))
    }

    /// Removes the cgroup of a container that has ended, and says how often it was refused a process.
    pub fn remove(mut self) -> Result<()> {
        let hits = pids(&self.cgroup).and_then(|pids| pids.get_pid_events().map_err(errno));
        let _turn = take_turn(self.parent());
        let removed = self.clean_up();
        let hits = hits.with_context(|| format!("read events of {}", self.directory.display()));
        // On cgroup v1, and before Linux 6.11, the kernel counts here what a limit further up has refused, too.
        let times = match removed.and(hits)? {
            0 => return Ok(()),
            1 => "once".into(),
            hits => format!("{hits} times"),
        };
        log::warn!("the container was refused a process {times}: pids.max is {}", self.pids_max);
        Ok(())
    }

    fn parent(&self) -> &Path {
        self.directory.parent().expect("it was joined to one")
    }

    /// Removes the cgroup. To be called in one's turn.
    fn clean_up(&mut self) -> Result<()> {
        self.in_use = None;
        remove_when_empty(&self.directory).with_context(|| {
            let left = pids(&self.cgroup).map(|pids| pids.tasks()).unwrap_or_default();
            let left: Vec<_> = left.iter().map(|process| process.pid).collect();
            format!(
                "remove {} (in it are the processes {left:?}; when they have left, the next start removes it)",
                self.directory.display()
            )
        })?;
        disable_for_children(self.parent(), self.levels);
        Ok(())
    }
}

impl Drop for PidsCgroup {
    fn drop(&mut self) {
        // Not where `remove` has been here.
        if self.in_use.is_some() {
            let _turn = take_turn(self.parent());
            warn(self.clean_up());
        }
    }
}

/// The name of a cgroup of ours: `08-cgroups.NUMBER.LEVELS`.
struct Name {
    /// The first that is free.
    number: usize,
    /// [`PidsCgroup::levels`] of the first of those that are there at the same time. So the last one knows it, or
    /// the next start where all have been killed.
    levels: usize,
}

impl Name {
    fn all_in(parent: &Path) -> Result<Vec<Name>> {
        let names = children(parent).with_context(|| format!("read {}", parent.display()))?;
        Ok(names.iter().filter_map(|child| Name::parse(child.file_name()?.to_str()?)).collect())
    }

    fn parse(name: &str) -> Option<Name> {
        let (number, levels) = name.strip_prefix("08-cgroups.")?.split_once('.')?;
        Some(Name { number: number.parse().ok()?, levels: levels.parse().ok()? })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "08-cgroups.{}.{}", self.number, self.levels)
    }
}

/// Finds the cgroup that this process is in.
fn own_cgroup() -> Result<Cgroup> {
    let paths = get_cgroups_relative_paths().map_err(errno).context("read /proc/self/cgroup")?;
    let root = Cgroup::load(hierarchies::auto(), "");
    let path = paths.get(if root.v2() { "" } else { "pids" }).ok_or_else(no_pids)?;
    // In a container a part of the hierarchy can be mounted: then this is where that part begins.
    let path = Path::new(path).strip_prefix(pids(&root)?.base()).unwrap_or(Path::new(path));
    let own = Cgroup::load(hierarchies::auto(), path.strip_prefix("/").unwrap_or(path));
    // Under another cgroup namespace's mounts the path leads to some other cgroup, or nowhere.
    if !pids(&own)?.tasks().contains(&CgroupPid::from(getpid().as_raw() as u64)) {
        let directory = pids(&own)?.path().display();
        let said =
            format!("this process is not in {directory}, where /proc/self/cgroup says that it is");
        bail!(Known::new(Cause::CgroupNamespace, said));
    }
    Ok(own)
}

/// Returns the controller pids of a cgroup.
fn pids(cgroup: &Cgroup) -> Result<&PidController> {
    Ok(cgroup.controller_of().ok_or_else(no_pids)?)
}

fn no_pids() -> Known {
    let said = "no cgroup hierarchy with the controller pids is mounted below /sys/fs/cgroup";
    Known::new(Cause::NoPidsController, said)
}

/// Returns the errno of an error of cgroups-rs, which shows only as debug text there, without the path.
fn errno(error: cgroups_rs::fs::error::Error) -> anyhow::Error {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.and_then(io::Error::raw_os_error) {
        Some(code) => Errno::from_raw(code).into(),
        None => anyhow!("{error}"),
    }
}

/// Waits until no other launcher makes or removes cgroups in this one.
fn take_turn(parent: &Path) -> Result<Lock> {
    Lock::take("08-cgroups", parent)
}

/// Locks a container's cgroup, unless it is locked, and so in use: flock(2).
fn lock(cgroup: &Path) -> Result<Flock<File>> {
    let file = File::open(cgroup.join("cgroup.procs"));
    let file = file.with_context(|| format!("open cgroup.procs of {}", cgroup.display()))?;
    let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno);
    locked.with_context(|| format!("lock {}", cgroup.display()))
}

/// Returns the children of a cgroup.
fn children(cgroup: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(cgroup)?.map(|entry| Ok(entry?.path()));
    entries.filter(|path| path.as_ref().map_or(true, |path| path.is_dir())).collect()
}

/// Removes the cgroups that killed launchers have left, but for those that still have processes.
fn remove_abandoned(parent: &Path, left: &[Name]) {
    for directory in left.iter().map(|name| parent.join(name.to_string())) {
        if lock(&directory).is_ok() {
            log::debug!("removing {}, which a killed launcher has left", directory.display());
            // If it fails, a later start tries again.
            let _ = remove_when_empty(&directory);
        }
    }
}

/// Removes a cgroup whose processes are about to leave, and those that root in the container may have made in it.
/// (cgroups-rs does not see these on cgroup v2.)
fn remove_when_empty(cgroup: &Path) -> nix::Result<()> {
    // Nobody tells when the last process has left a cgroup of version 1.
    for _ in 0..20 {
        match remove_directories(cgroup) {
            Err(Errno::EBUSY) => thread::sleep(Duration::from_millis(50)),
            result => return result,
        }
    }
    remove_directories(cgroup)
}

/// Makes the controller pids one that the children of `cgroup` have: on cgroup v2 each cgroup hands it down
/// to the next. Returns in how many it was to be switched on. (cgroups-rs does this, too, but goes on
/// when it fails, and does not tell.)
fn enable_for_children(cgroup: &Path) -> Result<usize> {
    let has_pids = |file| -> Result<bool> {
        let path = cgroup.join(file);
        let controllers =
            fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(controllers.split_whitespace().any(|controller| controller == "pids"))
    };
    if has_pids("cgroup.subtree_control")? {
        return Ok(0);
    }
    let parent = cgroup.parent().expect("the root of the hierarchy has its controllers");
    let above = if has_pids("cgroup.controllers")? { 0 } else { enable_for_children(parent)? };
    let enabled = fs::write(cgroup.join("cgroup.subtree_control"), "+pids");
    if let Err(error) = enabled {
        disable_for_children(parent, above);
        return Err(error).with_context(|| Step::Cgroup(cgroup.join("cgroup.subtree_control")));
    }
    Ok(above + 1)
}

/// Undoes [`enable_for_children`], unless there are children that need it.
fn disable_for_children(cgroup: &Path, levels: usize) {
    let needs = |child: &PathBuf| {
        let limit = fs::read_to_string(child.join("pids.max")).unwrap_or_default();
        let name = child.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        limit.trim() != "max" || Name::parse(name).is_some()
    };
    for cgroup in cgroup.ancestors().take(levels) {
        if children(cgroup).unwrap_or_default().iter().any(needs) {
            return;
        }
        // The kernel refuses where a child hands it down to children of its own.
        let _ = fs::write(cgroup.join("cgroup.subtree_control"), "-pids");
    }
}
