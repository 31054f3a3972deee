//! Shows the system calls that make a container: who makes them, in which namespaces, and from which line.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::AutoStream;
use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use program::Program;
use record::Recording;

mod calls;
mod code;
mod descriptor;
mod diff;
mod filter;
mod json;
mod lanes;
mod launch;
mod memory;
mod process;
mod program;
mod record;
mod refusal;
mod select;
mod source;
mod svg;
mod table;
mod text;
mod tracer;

/// What the command line can say.
#[derive(Parser)]
#[command(version, about, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(override_usage = "cargo lens [OPTIONS] <STAGE> [ARGUMENTS]...\n       \
    cargo lens [OPTIONS] -- <PROGRAM> [ARGUMENTS]...\n       \
    cargo lens diff <STAGE> [<STAGE> [ARGUMENTS]...]\n       \
    cargo diff <STAGE> [STAGE] [--calls]")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Args)]
struct Run {
    /// Show every call, and not only those that make a container (slow)
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print a picture, as SVG: who makes which call, and what in the kernel it changes
    #[arg(long, conflicts_with = "json")]
    svg: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Columns [default: the terminal's, or 100]
    #[arg(long, value_name = "COLUMNS")]
    width: Option<usize>,
    /// Start as root of a user namespace of its own, as `cargo rootless` does
    #[arg(long)]
    rootless: bool,
    /// Stop for every call, without a filter (slow): an ordinary user's filter sets no_new_privs
    #[arg(long)]
    no_filter: bool,
    /// Print which calls are shown, with their man pages and chapters
    #[arg(long, exclusive = true)]
    table: bool,
    /// A stage, as 05-user, or a program; then its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "STAGE"
    )]
    program: Vec<OsString>,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the difference between the calls of two stages (status 0 for none, 1 for some)
    Diff(Diff),
}

#[derive(Args)]
struct Diff {
    /// The difference of the code
    #[arg(long, overrides_with = "calls")]
    code: bool,
    /// The difference of the calls
    #[arg(long)]
    calls: bool,
    /// Columns [default: the terminal's, or 100]
    #[arg(long, value_name = "COLUMNS")]
    width: Option<usize>,
    /// A stage, as 04-mount, or 04; if it is the only one, it is compared with the stage before
    #[arg(value_name = "STAGE")]
    first: String,
    /// Another one
    #[arg(value_name = "STAGE")]
    second: Option<String>,
    /// Arguments for both, to compare their calls [default: -c true]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    args: Vec<OsString>,
}

/// The status of an error, where 1 stands for a difference: diff(1).
const TROUBLE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (result, trouble) = match arguments.command {
        Some(Command::Diff(diff)) => (compare(&diff), TROUBLE),
        None if arguments.run.table => (print_calls(), 1),
        None => (watch(&arguments.run), 1),
    };
    result.unwrap_or_else(|error| {
        eprintln!("lens: {error:#}");
        ExitCode::from(trouble)
    })
}

fn print_calls() -> Result<ExitCode> {
    let lines = calls::TABLE
        .iter()
        .map(|row| format!("{:24}{:28}{}\n", row.name, row.man, row.chapter.unwrap_or("-")));
    print(&lines.collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output, with colour for a terminal. A reader that has seen enough is no error.
fn print(text: &str) -> Result<()> {
    match AutoStream::auto(std::io::stdout()).write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("write"),
        _ => Ok(()),
    }
}

fn watch(run: &Run) -> Result<ExitCode> {
    let (name, args) = run.program.split_first().context("name a program")?;
    if name == "diff" && !std::env::args_os().any(|word| word == "--") {
        bail!(
            "diff comes before its options: cargo lens diff 04 05 --width 100 (the program diff: cargo lens -- diff)"
        );
    }
    let program = Program::find(name, args, run.rootless)?;
    let output =
        run.output.as_ref().map(File::create).transpose().context("make the output file")?;
    let (recording, status) = record(&program, run.all, !run.all && !run.no_filter)?;
    let text = if run.json {
        json::json(&recording)?
    } else if run.svg {
        svg::svg(&recording, &select::select(&recording, run.all))
    } else {
        let selection = select::select(&recording, run.all);
        table::table(&recording, &selection, run.width.unwrap_or_else(width))
    };
    match output {
        Some(mut file) => file
            .write_all(anstream::adapter::strip_str(&text).to_string().as_bytes())
            .context("write what was seen")?,
        None => print(&text)?,
    }
    launch::end_as(status)
}

/// Runs a program, and returns its calls, and how it has ended.
fn record(program: &Program, all: bool, filter: bool) -> Result<(Recording, i32)> {
    let mut launcher = launch::start(program, filter)?;
    launcher.go()?;
    let (recording, status) = tracer::follow(launcher.pid, all, filter, source::Source::new())?;
    if let Some(failure) = launcher.failure() {
        bail!(
            "cannot execute {}: {failure}",
            text::quoted(program.path.as_os_str().as_encoded_bytes())
        );
    }
    Ok((recording, status))
}

fn compare(diff: &Diff) -> Result<ExitCode> {
    let first = compared(&diff.first)?;
    let (old, new) = match &diff.second {
        Some(second) => (Some(first), compared(second)?),
        None => (program::stage_before(&first), first),
    };
    if diff.code && !diff.calls {
        let shown = || format!("{new} is the first stage: there is nothing to compare it with");
        return code::diff(&old.with_context(shown)?, &new);
    }
    let default = ["-c".into(), "true".into()];
    let args = if diff.args.is_empty() { &default[..] } else { &diff.args };
    if !new.contains('/') {
        // What the first run of a stage makes, such as the root directory, is no difference between the two.
        run_quietly(&new, &default)?;
    }
    // Before the first stage nothing was asked.
    let before = old.as_ref().map_or(Ok(Recording::default()), |old| run_quietly(old, args))?;
    let after = run_quietly(&new, args)?;
    let old = old.as_deref().map_or("nothing", file_name);
    let old = diff::Run { name: old, recording: &before };
    let new = diff::Run { name: file_name(&new), recording: &after };
    match diff::diff(&old, &new, diff.width.unwrap_or_else(width)) {
        None => Ok(ExitCode::SUCCESS),
        Some(text) => {
            print(&text)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Returns the name of a stage's folder, or the path of a program, to compare.
fn compared(name: &str) -> Result<String> {
    let path = name.contains('/').then(|| name.to_string());
    let shown = || format!("there is no stage {}", text::quoted(name.as_bytes()));
    path.or_else(|| program::stage(name)).with_context(shown)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether it was said that a stage needs root.
static NOTED: AtomicBool = AtomicBool::new(false);

/// Runs a stage to compare it. An ordinary user runs those that need root as root of a user namespace.
fn run_quietly(stage: &str, args: &[OsString]) -> Result<Recording> {
    let takes_root = matches!(file_name(stage).get(..2), Some("01" | "02" | "03" | "04"));
    let rootless = takes_root && !nix::unistd::geteuid().is_root();
    if rootless && !NOTED.swap(true, Ordering::Relaxed) {
        eprintln!(
            "lens: stages 01 to 04 need root: they run in a user namespace, as with `cargo rootless`"
        );
    }
    let program = Program::find(stage.as_ref(), args, rootless)?;
    let (recording, status) = record(&program, false, true)?;
    if status != 0 {
        bail!("{stage} has failed: {}", launch::described_end(status));
    }
    Ok(recording)
}

/// Returns the width of the terminal, or that of the book's column where there is none.
fn width() -> usize {
    // SAFETY: a winsize of zeros is a valid one, and the kernel writes to no other place.
    let columns = unsafe {
        let mut size: nix::libc::winsize = std::mem::zeroed();
        nix::libc::ioctl(1, nix::libc::TIOCGWINSZ, &mut size);
        size.ws_col
    };
    if columns == 0 { table::WIDTH } else { columns.into() }
}
