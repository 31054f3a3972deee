//! What of the stages runs on this machine, what does not, and what helps.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use common::check::{check, init_logging};
use common::{reexec, rootfs};
use nix::unistd::{geteuid, getpid};
use output::say;
use stages::Stage;
use testbed::cgroup;
use testbed::snapshot::Snapshot;

mod attempt;
mod folders;
mod limit;
mod output;
mod report;
mod stages;

/// What the command line can say.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Subcommand)]
enum Command {
    /// Writes down what of this host a container could change
    Snapshot {
        /// File to write, as JSON
        file: PathBuf,
    },
    /// Says what has changed since a snapshot, and how to undo each change (status 1 when something has)
    Compare {
        /// File that `snapshot` has written
        file: PathBuf,
    },
    /// Makes a root directory for --rootfs
    Root {
        /// Directory to make
        directory: PathBuf,
    },
    /// Prints a profile that gives these programs the user namespaces that AppArmor restricts
    Apparmor,
    /// Does what a stage does, and says why it fails
    #[command(hide = true)]
    Attempt {
        /// Number of the stage
        stage: u8,
    },
}

/// Starts at [`start`], or, in the new namespaces of an attempt, at [`attempt::inside`].
fn main() -> ExitCode {
    init_logging();
    let args = Args::parse();
    let result = reexec::dispatch(&args, &[(attempt::INSIDE, inside)], start);
    check(result.and_then(|status| output::finish().map(|()| status)))
}

fn start(args: &Args) -> Result<ExitCode> {
    match &args.command {
        None => report::run(),
        Some(Command::Snapshot { file }) => take_snapshot(file),
        Some(Command::Compare { file }) => compare(file),
        Some(Command::Root { directory }) => {
            rootfs::make(&std::path::absolute(directory).context("find the directory")?)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Apparmor) => {
            let this = env::current_exe().context("find this program")?;
            let learner = folders::of_a_learner();
            say!("{}", apparmor_profile(&this, learner.as_deref()).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Attempt { stage }) => Ok(attempt::run(Stage::of_number(*stage)?)),
    }
}

fn inside(args: &Args) -> Result<ExitCode> {
    match args.command {
        Some(Command::Attempt { stage }) => Ok(attempt::inside(Stage::of_number(stage)?)),
        _ => start(args),
    }
}

fn take_snapshot(file: &Path) -> Result<ExitCode> {
    let snapshot = Snapshot::take(cgroup::of(getpid()).as_deref());
    let text = serde_json::to_string_pretty(&snapshot).context("write JSON")?;
    fs::write(file, text + "\n").with_context(|| format!("write {}", file.display()))?;
    for part in snapshot.unreadable() {
        // Where that cannot be written, it is lost.
        let _ = writeln!(anstream::stderr(), "not readable, and so not compared: {part}s");
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(file: &Path) -> Result<ExitCode> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let before: Snapshot = serde_json::from_str(&text)
        .with_context(|| format!("{} is no snapshot of ours", file.display()))?;
    let changes = before.changes();
    if changes.is_empty() {
        say!("Nothing has changed.");
        return Ok(ExitCode::SUCCESS);
    }
    let sudo = if geteuid().is_root() { "" } else { "sudo " };
    let (undone, others): (Vec<_>, Vec<_>) =
        changes.undo().into_iter().partition(|(_, command)| command.is_some());
    for (change, command) in undone {
        say!("{change}\n    {sudo}{}", command.unwrap_or_default());
    }
    if !others.is_empty() {
        say!("\nThese go with the ones above, or no command undoes them:");
        others.iter().for_each(|(change, _)| say!("{change}"));
    }
    Ok(ExitCode::FAILURE)
}

/// A profile for all programs beside this one, their tests, and those of the workshop: apparmor.d(5). It allows
/// everything, user namespaces included, as Ubuntu's own profiles for browsers do.
///
/// - `learner`: a folder of exercises, which are built in there. It has a profile of its own.
fn apparmor_profile(program: &Path, learner: Option<&Path>) -> String {
    let directory = program.parent().unwrap_or(Path::new("/"));
    let target = directory.parent().filter(|parent| parent.ends_with("target"));
    let programs = match (target.and_then(Path::parent), directory.file_name()) {
        (Some(folder), Some(name)) => {
            let (folder, name) = (escaped(folder), escaped(Path::new(name)));
            format!("{folder}/{{,workshop/}}target/{name}/{{,deps/}}*")
        }
        _ => format!("{}/*", escaped(directory)),
    };
    let mut text = "abi <abi/4.0>,\ninclude <tunables/global>\n".to_owned();
    let learner = learner.map(|folder| format!("{}/target/debug/{{,deps/}}*", escaped(folder)));
    for (name, programs) in [("containers", Some(programs)), ("containers-exercises", learner)] {
        if let Some(programs) = programs {
            text +=
                &format!("\nprofile {name} \"{programs}\" flags=(unconfined) {{\n  userns,\n}}\n");
        }
    }
    text
}

/// Takes their meaning from the characters of a path that AppArmor would give one.
fn escaped(path: &Path) -> String {
    let special = |c: char| "?*[]{}^\"\\".contains(c);
    let mut text = String::new();
    for c in path.display().to_string().chars() {
        if special(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
