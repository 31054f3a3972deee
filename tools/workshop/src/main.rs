//! A learner's own folder of exercises, their hints one at a time, an exercise as it was handed out, and how far somebody
//! is; and for a teacher a talk track, a look at a class, and a grade.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use common::check::{check, init_logging};

use info::Info;

mod alias;
mod exercises;
mod folder;
mod grade;
mod info;
mod names;
mod plan;
mod progress;
mod readme;
mod stages;
mod talk;

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
    /// Makes an exercise of the current folder, or a stage, what it was when it was handed out
    Reset {
        /// Name of an exercise, or of a stage, as in 03-pid
        name: String,
    },
    /// Shows how many exercises and stages pass here, and which TODO is next; or a line for each of several folders
    ///
    /// Here it tries what you have written since it last did. Of several folders it shows what this command and Rustlings
    /// have noted there, and tries nothing.
    Progress {
        /// Folders of a class. Nothing in them is built
        #[arg(value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
    /// Grades a folder by this clone's tests: a table in Markdown, and the status 1 unless all exercises are done
    Grade {
        /// Folder of a learner
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Folder to build in
        #[arg(long, value_name = "DIR", default_value = "target/grade")]
        work: PathBuf,
    },
    /// Prints what to say, in the order of a plan, beside the clock
    Talk {
        /// Which plan: half-day or full-day
        plan: String,
        /// When it begins
        #[arg(long, value_name = "HH:MM", default_value = "9:00", value_parser = minutes)]
        from: u32,
    },
}

/// Reads a time of day, and returns the minutes after midnight.
fn minutes(time: &str) -> Result<u32, String> {
    let parsed = time.split_once(':').and_then(|(hours, minutes)| {
        Some((hours.parse::<u32>().ok()?, minutes.parse::<u32>().ok()?))
    });
    match parsed {
        Some((hours @ 0..24, minutes @ 0..60)) => Ok(hours * 60 + minutes),
        _ => Err("a time of day, such as 9:30".into()),
    }
}

fn main() -> ExitCode {
    init_logging();
    check(run(&Args::parse().command))
}

fn run(command: &Command) -> Result<ExitCode> {
    let info = Info::read()?;
    match command {
        Command::Init { directory, plan } => folder::make(directory, plan.as_deref(), &info)?,
        Command::Hint { name, step } => {
            let hint = info.exercise(name)?.hint(*step).context("info.toml has no such hint")?;
            tell(&format!("{hint}\n"))?;
        }
        Command::Reset { name } => {
            folder::reset(&here(), name, &info)?;
            tell(&format!("{name} is as it was handed out\n"))?;
        }
        Command::Progress { folders } if folders.is_empty() => progress::show(&here())?,
        Command::Progress { folders } => progress::compare(folders)?,
        Command::Grade { folder, work } => return grade::grade(folder, work, &info),
        Command::Talk { plan, from } => tell(&talk::track(plan, *from, &info)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output. Whoever reads it may have had enough, as head(1) has.
fn tell(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("write"),
        _ => Ok(()),
    }
}

/// The folder with exercises that this is called in, or in a directory of which; or else the clone's.
fn here() -> PathBuf {
    let current = std::env::current_dir().unwrap_or_default();
    let is_one =
        |folder: &&Path| folder.join("info.toml").exists() && folder.join("exercises").is_dir();
    current.ancestors().find(is_one).map_or_else(info::workshop, Path::to_owned)
}
