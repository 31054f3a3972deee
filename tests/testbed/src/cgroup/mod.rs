//! The cgroup that a process is in, and those below: cgroups(7).

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

mod own;

pub use own::*;

/// Returns the directory of a process's cgroup that counts processes: [`of_controller`] with pids.
pub fn of(pid: Pid) -> Option<PathBuf> {
    of_controller(pid, "pids")
}

/// Returns the directory of a process's cgroup: on cgroup v2 its only one, on v1 the one in the hierarchy of
/// this controller. None where no such hierarchy is mounted.
pub fn of_controller(pid: Pid, controller: &str) -> Option<PathBuf> {
    let path = path(pid, controller)?;
    let mount_point = if is_v2() { ROOT.into() } else { v1_mount_point(controller)? };
    // In a container a part of the hierarchy can be mounted: then this is where that part begins.
    let root = mounted_part(&mount_point);
    let path = Path::new(&path).strip_prefix(root).unwrap_or(Path::new(&path));
    let directory = mount_point.join(path.strip_prefix("/").unwrap_or(path));
    directory.join("cgroup.procs").exists().then_some(directory)
}

/// Where cgroup v2 is mounted, and on v1 a directory for each hierarchy, if they are where they should be.
const ROOT: &str = "/sys/fs/cgroup";

fn is_v2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// Returns the path of a process's cgroup in /proc/PID/cgroup, as [`of_controller`] its directory.
pub fn path(pid: Pid, controller: &str) -> Option<String> {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    // hierarchy-ID:controllers:path, where v2 has no controllers: cgroups(7).
    let wanted = if is_v2() { "" } else { controller };
    cgroups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        is_of(wanted, controllers).then(|| path.to_owned())
    })
}

/// Whether a controller is one of these, which have commas between them.
fn is_of(controller: &str, controllers: &str) -> bool {
    controllers.split(',').any(|name| name == controller)
}

/// Returns where the hierarchy of a controller is mounted, wherever that is: proc_pid_mountinfo(5).
fn v1_mount_point(controller: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - cgroup ")?;
        let options = file_system.split(' ').nth(1)?;
        is_of(controller, options).then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// Returns which directory of its file system is mounted at `mount_point`: proc_pid_mountinfo(5).
fn mounted_part(mount_point: &Path) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let part = mounts.lines().rev().find_map(|line| {
        let mut columns = line.split(' ').skip(3);
        let root = columns.next()?;
        (Path::new(columns.next()?) == mount_point).then(|| PathBuf::from(root))
    });
    part.unwrap_or("/".into())
}

/// Returns the children of a cgroup.
pub fn children(cgroup: &Path) -> Vec<PathBuf> {
    // It may be removed at this moment.
    let entries = fs::read_dir(cgroup).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Returns a cgroup and all below it, parents before their children.
pub fn tree(cgroup: &Path) -> Vec<PathBuf> {
    let mut found = vec![cgroup.to_owned()];
    let mut next = 0;
    while let Some(cgroup) = found.get(next) {
        found.extend(children(cgroup));
        next += 1;
    }
    found
}
