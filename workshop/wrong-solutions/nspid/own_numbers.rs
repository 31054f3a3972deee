// refused with: the numbers of a process of the host

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;

fn numbers(_: Pid) -> Result<Vec<i32>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let numbers =
        status.lines().find_map(|line| line.strip_prefix("NSpid:")).context("no NSpid")?;
    Ok(numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}
