// refused with: the numbers of a process three namespaces deep

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// Returns all numbers of `process`, from the one in /proc inwards.
fn numbers(process: Pid) -> Result<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.context("no NSpid")?.split_whitespace().map(str::parse);
    Ok(numbers.take(3).collect::<Result<_, _>>()?)
}
