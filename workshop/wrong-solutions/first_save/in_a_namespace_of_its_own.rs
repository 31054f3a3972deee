// refused with: a namespace that is none of your function's business

use std::fs;

use anyhow::Result;
use nix::sched::{CloneFlags, unshare};

fn hostname() -> Result<String> {
    unshare(CloneFlags::CLONE_NEWUTS)?;
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().into())
}
