//! Stage 1: the shell has a hostname of its own, to change by hand.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use common::check::{check, init_logging};
use common::reexec::Command;
use nix::sched::CloneFlags;

/// What the command line can say.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Shell to run
    #[arg(long, value_name = "PATH", default_value = "/bin/sh")]
    nsshell: PathBuf,
    // TODO 4: an option --nshostname NAME, which is "nshost" where nobody sets it. The error of sethostname says
    // what was tried: the name, and "at most 64 bytes".
    /// Command for the shell, as in `sh -c COMMAND`
    #[arg(short, value_name = "COMMAND")]
    command: Option<OsString>,
    /// Arguments for the shell
    #[arg(trailing_var_arg = true)]
    shell_args: Vec<OsString>,
}

/// Parses the command line, and starts the shell.
fn main() -> ExitCode {
    init_logging();
    // TODO 2: this program starts twice. reexec::dispatch calls ns_start the first time, and ns_init when
    // reexec::command("ns_init") has started it again.
    check(ns_run(&Args::parse()))
}

// TODO 1: ns_start creates a container with this program in it, by reexec::command, in a new UTS namespace, then
// starts it, and waits for it; ns_run needs no namespace then.
// TODO 3: ns_init sets the hostname, to "nshost", and then runs ns_run.
/// Runs the shell in a new UTS namespace.
fn ns_run(args: &Args) -> Result<ExitCode> {
    Command::new(&args.nsshell)
        .option("-c", args.command.as_ref())
        .args(&args.shell_args)
        .cloneflag(CloneFlags::CLONE_NEWUTS)
        .create()?
        .start()?
        .wait()
}
