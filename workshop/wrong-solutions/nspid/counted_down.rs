// refused with: the numbers of a process two namespaces deep

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;

fn numbers(process: Pid) -> Result<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.context("no NSpid")?.split_whitespace();
    let levels = numbers.count() as i32;
    let inner = (1..levels).rev();
    Ok([process.as_raw()].into_iter().chain(inner).collect())
}
