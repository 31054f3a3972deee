//! Runs every console block of the book, a chapter a test, in a throw-away host.
//!
//! ```text
//! cargo test -p mdbook-stages --test console              all chapters
//! cargo test -p mdbook-stages --test console -- 04-mount  one
//! ```
//!
//! A test's process has several entry points, as one in the harness of the stages: `enclose` makes the namespaces, `host` dresses
//! them up as a reader's machine, `session` types. In that machine this program is also `cargo`.
//!
//! | environment variable | meaning |
//! | --- | --- |
//! | `BOOK_WORKSPACE` | the workspace, where it is not where this program was built |
//! | `BOOK_UPDATE` | when set, what came is written into the chapters |
//! | `TEST_NO_SKIP` | when set, a chapter that cannot run here fails instead of being ignored |

mod cargo;
mod host;
mod runner;
mod session;
mod terminal;
mod trace;
mod update;
mod values;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result};
use common::check::{check, init_logging};
use common::reexec::{self, Entrypoint};
use conformance::{has, in_process, needs, reset_signals, skipped};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use mdbook_stages::calls::is_traced;
use mdbook_stages::console::blocks;
use nix::sys::signal::SigSet;
use nix::unistd::geteuid;
use testbed::programs;

fn main() -> ExitCode {
    init_logging();
    SigSet::empty().thread_set_mask().expect("an empty set is a good one");
    let entry_points: [(&str, Entrypoint<()>); 5] = [
        ("trace", trace::main),
        ("enclose", host::enclose),
        ("host", host::main),
        ("session", session::main),
        ("cargo", cargo::main),
    ];
    // The mark of a second life is taken, or what is started from here would have it.
    let name = reexec::entry_point().map(Into::into);
    let name = name.or_else(|| env::args_os().next()).unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or(OsStr::new(""));
    let entry_point = entry_points.iter().find(|(known, _)| *known == name);
    check(entry_point.map_or(run_all as Entrypoint<()>, |(_, start)| *start)(&()))
}

/// Where the chapters and the programs are.
#[derive(Clone)]
struct Place {
    workspace: PathBuf,
    programs: PathBuf,
    /// Why blocks that trace are left out.
    untraced: Option<String>,
}

fn run_all(_: &()) -> Result<ExitCode> {
    reset_signals()?;
    let arguments = Arguments::from_args();
    let workspace = env::var_os("BOOK_WORKSPACE")
        .map_or(concat!(env!("CARGO_MANIFEST_DIR"), "/../..").into(), PathBuf::from);
    let workspace = workspace.canonicalize().context("find the workspace")?;
    let programs = if arguments.list || !geteuid().is_root() {
        PathBuf::new()
    } else {
        let packages = cargo::packages(&workspace)?;
        programs::build(packages.iter().map(|package| (&*package.name, &*package.program)))?
    };
    let untraced = if arguments.list { None } else { trace::refused()? };
    let place = Place { workspace, programs, untraced };
    let mut trials = Vec::new();
    for chapter in chapters(&place.workspace.join("book/src"))? {
        trials.extend(chapter_trials(&chapter, &place)?);
    }
    if env::var_os("BOOK_UPDATE").is_none() {
        trials.extend(runner::trials(&place));
    }
    Ok(needs::run(arguments, trials))
}

/// Finds the chapters' files.
fn chapters(source: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![source.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).context("read the book")? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension() == Some(OsStr::new("md")) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the trial of a chapter that has blocks to run, and one for each block that is not run.
fn chapter_trials(chapter: &Path, place: &Place) -> Result<Vec<Trial>> {
    let text = fs::read_to_string(chapter).context("read a chapter")?;
    let source = place.workspace.join("book/src");
    let name = chapter.strip_prefix(&source).unwrap_or(chapter).display().to_string();
    let blocks = blocks(&text).with_context(|| name.clone())?;
    let mut trials = Vec::new();
    for block in blocks.iter().filter(|block| block.no_run.is_some()) {
        let reason = block.no_run.clone().unwrap_or_default();
        let name = format!("{name}:{}", block.line);
        trials.push(Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason))));
    }
    for block in blocks.iter().filter(|block| block.no_run.is_none()) {
        // A program that no package is known for is a fault, wherever it is installed.
        let Some(reason) = block.needs.as_deref().map(needs::lacks) else { continue };
        if block.lacks().is_none() {
            continue;
        }
        let name = format!("{name}:{}", block.line);
        trials.push(Trial::ignorable_test(name, move || skipped(&reason)));
    }
    if let Some(reason) = &place.untraced {
        for block in blocks.iter().filter(|block| block.no_run.is_none() && is_traced(block)) {
            let (name, reason) = (format!("{name}:{}", block.line), reason.clone());
            trials.push(Trial::ignorable_test(name, move || skipped(&reason)));
        }
    }
    if blocks.iter().any(|block| block.no_run.is_none()) {
        let (chapter, place) = (chapter.to_owned(), place.clone());
        trials.push(Trial::ignorable_test(name, move || run_chapter(&chapter, &place)));
    }
    Ok(trials)
}

fn run_chapter(chapter: &Path, place: &Place) -> Result<Completion, Failed> {
    let updates = env::var_os("BOOK_UPDATE").is_some();
    let (completion, text) = in_host(chapter, place, updates)?;
    if updates && matches!(completion, Completion::Completed) {
        fs::write(chapter, text)?;
    }
    Ok(completion)
}

/// Runs a chapter's blocks in a throw-away host. With `updates` it returns the
/// chapter as it should be.
fn in_host(chapter: &Path, place: &Place, updates: bool) -> Result<(Completion, String), Failed> {
    let not_here = |reason: &str| Ok((skipped(reason)?, String::new()));
    if !geteuid().is_root() {
        return not_here("needs root");
    }
    // Without busybox the stages make their root directory of other tools, which say some things in other words.
    for program in ["sudo", "busybox"] {
        if !has(program) {
            return not_here(&needs::lacks(program));
        }
    }
    let paths = [chapter, &place.workspace, &place.programs].map(Path::to_string_lossy);
    let mode = match (updates, &place.untraced) {
        (true, _) => session::UPDATE,
        (false, Some(_)) => session::UNTRACED,
        (false, None) => "compare",
    };
    in_process("enclose", &[&paths[0], &paths[1], &paths[2], mode])
}
