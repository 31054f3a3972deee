//! Runs a program, and says how much memory the largest of its processes had, in KiB.
//!
//! A process counts as its own what it had in memory before execve(2), and that was its parent's. So this is a
//! small one.
//!
//! `peak PROGRAM [ARGUMENT]...`

use std::env;
use std::process::{Command, ExitCode, Stdio};

use nix::sys::resource::{UsageWho, getrusage};

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let Some(program) = args.next() else {
        eprintln!("usage: peak PROGRAM [ARGUMENT]...");
        return ExitCode::from(2);
    };
    let status = Command::new(program).args(args).stdout(Stdio::null()).status();
    match (status, getrusage(UsageWho::RUSAGE_CHILDREN)) {
        (Ok(status), Ok(usage)) if status.success() => println!("{}", usage.max_rss()),
        failed => {
            eprintln!("{failed:?}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
