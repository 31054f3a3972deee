// refused with: the numbers of a process three namespaces deep

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// Returns all numbers of `process`, from the one in /proc inwards.
fn numbers(process: Pid) -> Result<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.context("no NSpid")?.split_whitespace().map(str::parse);
    let mut numbers: Vec<i32> = numbers.collect::<Result<_, _>>()?;
    if numbers.len() > 1 {
        *numbers.last_mut().unwrap() = 1;
    }
    Ok(numbers)
}
