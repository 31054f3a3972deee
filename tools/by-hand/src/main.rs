//! System calls of the last years that containers use, and that few machines have a command for.
//!
//! Each command makes one of them for a program that it then executes. "Newer calls, by hand" in the book shows them.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use common::check::{check, init_logging};
use common::quote::shown;
use nix::unistd::execvp;

mod cgroup;
mod idmapped;
mod landlock;
mod process;
mod seccomp;

/// What the command line can say.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a program whose calls of this name the kernel refuses: a filter, as engines have one
    Refuse {
        /// Name of a system call
        call: String,
        #[command(flatten)]
        program: Program,
    },
    /// Run a program that can write below this directory, and nowhere else: Landlock
    WriteBelow {
        /// A directory
        directory: PathBuf,
        #[command(flatten)]
        program: Program,
    },
    /// Run a program in the namespaces of a process, found by a descriptor of the process
    Enter {
        /// Its id
        pid: u32,
        #[command(flatten)]
        program: Program,
    },
    /// Run a program that is born in this cgroup, of version 2, and not moved there
    BornIn {
        /// Directory of the cgroup
        cgroup: PathBuf,
        #[command(flatten)]
        program: Program,
    },
    /// Mount a directory in a second place, with the owners of its files mapped by the user namespace of a process
    Idmapped {
        /// Id of the process
        pid: u32,
        /// The directory
        directory: PathBuf,
        /// The second place
        place: PathBuf,
    },
}

/// A program, and its arguments.
#[derive(clap::Args)]
struct Program {
    /// The program, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

impl Program {
    /// Becomes the program. Returns only an error.
    fn execute(self) -> Result<ExitCode> {
        let words: Result<Vec<_>, _> =
            self.program.into_iter().map(|word| CString::new(word.into_vec())).collect();
        let words = words.context("an argument has a zero byte")?;
        match execvp(&words[0], &words) {
            Ok(never) => match never {},
            Err(error) => {
                let name = words[0].to_string_lossy().into_owned();
                Err(error).with_context(|| format!("execute {}", shown(&name)))
            }
        }
    }
}

fn main() -> ExitCode {
    init_logging();
    check(run(Arguments::parse().command))
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Refuse { call, program } => {
            let Some(number) = seccomp::number(&call) else {
                bail!(
                    "no number is known here of a call {}: one of {}",
                    shown(&call),
                    seccomp::names()
                );
            };
            seccomp::refuse(number)?;
            program.execute()
        }
        Command::WriteBelow { directory, program } => {
            landlock::write_below(&directory)?;
            program.execute()
        }
        Command::Enter { pid, program } => {
            process::enter(pid)?;
            // What was entered of process ids is for children: pid_namespaces(7).
            process::in_child(|| program.execute())
        }
        Command::BornIn { cgroup, program } => cgroup::born_in(&cgroup, || program.execute()),
        Command::Idmapped { pid, directory, place } => {
            idmapped::mount(pid, &directory, &place)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
