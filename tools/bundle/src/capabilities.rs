//! All capabilities that a stage's shell has: capabilities(7).

use std::fs;

use anyhow::{Context, Result};
use oci_spec::runtime::{Capabilities, Capability};

use crate::options::Stage;

/// In the order of their numbers: linux/capability.h.
const CAPABILITIES: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

/// Returns the capabilities of the stage's shell. No stage drops one: it has all of its user namespace
/// (user_namespaces(7)), or, before stage 05, what root of this machine gets from execve(2).
///
/// # Errors
///
/// /proc cannot be read.
pub fn of(stage: Stage) -> Result<Capabilities> {
    let set = if stage >= Stage::USER { of_a_user_namespace()? } else { of_root()? };
    let in_set = |(number, _): &(usize, Capability)| set >> number & 1 == 1;
    Ok(CAPABILITIES.into_iter().enumerate().filter(in_set).map(|(_, name)| name).collect())
}

/// All that this kernel has.
fn of_a_user_namespace() -> Result<u64> {
    let path = "/proc/sys/kernel/cap_last_cap";
    let last = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let last: u32 = last.trim().parse().with_context(|| format!("read {path}"))?;
    Ok(u64::MAX >> 63u32.saturating_sub(last))
}

/// The bounding set.
fn of_root() -> Result<u64> {
    let path = "/proc/self/status";
    let status = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let set = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    u64::from_str_radix(set.unwrap_or_default().trim(), 16).with_context(|| format!("read {path}"))
}
