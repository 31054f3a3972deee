//! The ids of a user namespace: user_namespaces(7), section "User and group ID mappings".

use std::fs::{self, OpenOptions};
use std::io::Write;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::unistd::{Pid, getpid};

use super::failure::Step;

/// One range of user or group ids of a new user namespace.
#[derive(Clone, Copy, Debug)]
pub struct IdMap {
    /// First id inside.
    pub container_id: u32,
    /// First id in the user namespace of the caller.
    pub host_id: u32,
    /// How many ids, from these on.
    pub size: u32,
}

impl IdMap {
    /// Returns the range of one id.
    pub fn one(container_id: u32, host_id: impl Into<u32>) -> IdMap {
        IdMap { container_id, host_id: host_id.into(), size: 1 }
    }
}

/// Writes the id maps of a process that is alone in a new user namespace.
///
/// - `pid`: the process: a child, or this one.
/// - `uid_mappings`, `gid_mappings`: what to write; nothing where there are none. setgroups(2) is denied
///   before the groups are mapped.
///
/// # Errors
///
/// What the kernel says to the maps: user_namespaces(7), section "Defining user and group ID mappings".
/// Without privilege they may hold the caller's own ids alone. And [`Step::OwnProc`], where /proc is that of
/// another PID namespace: there, `pid` is the number of another process.
pub fn write_id_maps(pid: Pid, uid_mappings: &[IdMap], gid_mappings: &[IdMap]) -> Result<()> {
    if uid_mappings.is_empty() && gid_mappings.is_empty() {
        return Ok(());
    }
    ensure_own_proc()?;
    if !gid_mappings.is_empty() {
        // A process could leave a group that is denied something, and so be allowed it. Who maps groups
        // without privilege must give setgroups(2) up first: Linux 3.19, CVE-2014-8989.
        write_proc(pid, "setgroups", "deny")?;
        write_proc(pid, "gid_map", &lines(gid_mappings))?;
    }
    if !uid_mappings.is_empty() {
        write_proc(pid, "uid_map", &lines(uid_mappings))?;
    }
    Ok(())
}

/// Fails unless /proc shows the PID namespace that this process is in.
///
/// `/proc/self` alone says nothing, since numbers can be equal by chance. But a proc lists the numbers of a
/// process in its own PID namespace and in all below, down to the process's: proc_pid_status(5), NSpid.
fn ensure_own_proc() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    match numbers.map(str::trim) == Some(getpid().to_string().as_str()) {
        true => Ok(()),
        false => Err(Errno::ESRCH).context(Step::OwnProc),
    }
}

fn lines(mappings: &[IdMap]) -> String {
    mappings
        .iter()
        .map(|map| format!("{} {} {}\n", map.container_id, map.host_id, map.size))
        .collect()
}

/// Writes `text` to /proc/`pid`/`file`, in one write(2), as the kernel wants it for the maps.
fn write_proc(pid: Pid, file: &'static str, text: &str) -> Result<()> {
    log::debug!("write {text:?} to /proc/{pid}/{file}");
    OpenOptions::new()
        .write(true)
        .open(format!("/proc/{pid}/{file}"))
        .and_then(|mut proc| proc.write_all(text.as_bytes()))
        .with_context(|| Step::Map(file, text.trim_end().to_owned()))
}
