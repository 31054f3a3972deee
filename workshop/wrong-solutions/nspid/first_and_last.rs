// refused with: the numbers of a process two namespaces deep
// refused with: , 1]

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;

fn numbers(process: Pid) -> Result<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let numbers =
        status.lines().find_map(|line| line.strip_prefix("NSpid:")).context("no NSpid")?;
    let mut numbers: Vec<i32> =
        numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    if numbers.len() > 1 {
        numbers = vec![numbers[0], *numbers.last().unwrap()];
    }
    Ok(numbers)
}
