//! Stage 2: the shell has a hostname that is set for it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use common::check::{check, init_logging};
use common::reexec::{self, Command};
use nix::sched::CloneFlags;
use nix::unistd::sethostname;

/// What the command line can say.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Shell to run
    #[arg(long, value_name = "PATH", default_value = "/bin/sh")]
    nsshell: PathBuf,
    /// Hostname in the container
    #[arg(long, value_name = "NAME", default_value = "nshost")]
    nshostname: String,
    /// Command for the shell, as in `sh -c COMMAND`
    #[arg(short, value_name = "COMMAND")]
    command: Option<OsString>,
    /// Arguments for the shell
    #[arg(trailing_var_arg = true)]
    shell_args: Vec<OsString>,
}

/// Starts at [`ns_start`], or, in the new namespaces, at [`ns_init`].
fn main() -> ExitCode {
    init_logging();
    check(reexec::dispatch(&Args::parse(), &[("ns_init", ns_init)], ns_start))
}

/// Starts [`ns_init`] in its new namespaces.
fn ns_start(_: &Args) -> Result<ExitCode> {
    let container = reexec::command("ns_init").cloneflag(CloneFlags::CLONE_NEWUTS).create()?;
    container.start()?.wait()
}

/// Runs inside the new namespaces: sets them up, then starts the shell.
fn ns_init(args: &Args) -> Result<ExitCode> {
    sethostname(&args.nshostname)
        .with_context(|| format!("set the hostname {:?} (at most 64 bytes)", args.nshostname))?;
    ns_run(args)
}

/// Runs the shell.
fn ns_run(args: &Args) -> Result<ExitCode> {
    Command::new(&args.nsshell)
        .option("-c", args.command.as_ref())
        .args(&args.shell_args)
        .create()?
        .start()?
        .wait()
}
