// refused with: what your function changes of its own process
// refused with: + own Umask: 0000

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::Pid;
fn numbers(process: Pid) -> Result<Vec<i32>> {
    unsafe { nix::libc::umask(0) };
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.context("no NSpid")?.split_whitespace().map(str::parse);
    Ok(numbers.collect::<Result<_, _>>()?)
}
