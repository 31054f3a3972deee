// refused with: Your function has panicked

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;
fn numbers(process: Pid) -> Result<Vec<i32>> {
    let none: Option<i32> = None;
    none.unwrap();
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.context("no NSpid")?.split_whitespace().map(str::parse);
    Ok(numbers.collect::<Result<_, _>>()?)
}
