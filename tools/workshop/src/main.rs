//! A learner's own folder of exercises, their hints one at a time, and an exercise as it was handed out.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use common::check::{check, init_logging};

use info::Info;

mod folder;
mod info;

/// What the command line can say.
#[derive(Parser)]
#[command(name = "cargo workshop", bin_name = "cargo workshop", version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a folder of your own, with the exercises to solve, and leaves this clone as it is
    Init {
        /// Folder to make
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Which exercises: a file of workshop/plans
        #[arg(long, value_name = "NAME")]
        plan: Option<String>,
    },
    /// Shows a hint of an exercise: the first, or the second or third
    Hint {
        /// Name of an exercise
        name: String,
        /// Which of the three
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
        step: u8,
    },
    /// Makes an exercise of the current folder what it was when it was handed out
    Reset {
        /// Name of an exercise
        name: String,
    },
}

fn main() -> ExitCode {
    init_logging();
    check(run(&Args::parse().command).map(|()| ExitCode::SUCCESS))
}

fn run(command: &Command) -> Result<()> {
    let info = Info::read()?;
    match command {
        Command::Init { directory, plan } => folder::make(directory, plan.as_deref(), &info),
        Command::Hint { name, step } => {
            let hint = info.exercise(name)?.hint(*step).context("info.toml has no such hint")?;
            println!("{hint}");
            Ok(())
        }
        Command::Reset { name } => folder::reset(info.exercise(name)?),
    }
}
