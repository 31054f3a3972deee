//! Stage 1: the shell has a hostname of its own, to change by hand.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use common::check::{check, init_logging};
use common::reexec::Command;
use nix::sched::CloneFlags;

/// A shell with a hostname of its own, to change by hand.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Shell to run
    #[arg(long, value_name = "PATH", default_value = "/bin/sh")]
    nsshell: PathBuf,
    /// Arguments for the shell
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    shell_args: Vec<OsString>,
}

/// Parses the command line, and starts the shell.
fn main() -> ExitCode {
    init_logging();
    check(ns_run(&Args::parse()))
}

/// Runs the shell in a new UTS namespace.
fn ns_run(args: &Args) -> Result<ExitCode> {
    Command::new(&args.nsshell)
        .args(&args.shell_args)
        .cloneflag(CloneFlags::CLONE_NEWUTS)
        .run()
}
