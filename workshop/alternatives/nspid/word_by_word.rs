// All words of the file, from the one that is the name of the line.

use std::fs;

use anyhow::Result;
use nix::unistd::Pid;

fn numbers(process: Pid) -> Result<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let words = status.split_whitespace().skip_while(|word| *word != "NSpid:").skip(1);
    Ok(words.map_while(|word| word.parse().ok()).collect())
}
