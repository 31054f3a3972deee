// refused with: Your function has returned an error: invalid digit

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;

fn numbers(process: Pid) -> Result<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let numbers = status.lines().find(|line| line.starts_with("NSpid")).context("no NSpid")?;
    Ok(numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}
