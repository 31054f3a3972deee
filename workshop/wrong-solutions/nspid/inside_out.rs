// refused with: the numbers of a container's process 1
// refused with: the kernel shows  [1,

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;

fn numbers(process: Pid) -> Result<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let numbers =
        status.lines().find_map(|line| line.strip_prefix("NSpid:")).context("no NSpid")?;
    Ok(numbers.split_whitespace().rev().map(str::parse).collect::<Result<_, _>>()?)
}
