//! `cargo book` builds the book; without a command this is a preprocessor of mdBook.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use mdbook_preprocessor::{Preprocessor, parse_input};
use mdbook_stages::preprocessor::Preparation;

/// What the command line can say.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Build the book
    #[command(args_conflicts_with_subcommands = true)]
    Build {
        /// Open it in a browser
        #[arg(long)]
        open: bool,
        /// Directory of another book
        #[arg(long, value_name = "DIR", default_value = book())]
        book: PathBuf,
        #[command(subcommand)]
        instead: Option<Instead>,
    },
    /// Tell mdBook whether a renderer is supported
    #[command(hide = true)]
    Supports { renderer: String },
}

/// What else can be done with the book.
#[derive(Subcommand)]
enum Instead {
    /// Run the console blocks, and write what came into the chapters
    Update {
        /// Part of a chapter's name
        chapter: Option<String>,
    },
    /// Draw the terminals of the console blocks that are drawn
    Draw,
}

/// The book of the workspace that this program was built in.
fn book() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/..")
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Option<Command>) -> Result<()> {
    match command {
        None => preprocess()?,
        // Any renderer can do with Markdown and HTML.
        Some(Command::Supports { .. }) => {}
        Some(Command::Build { instead: Some(Instead::Update { chapter }), .. }) => {
            update(&["console", "--", "--test-threads", "1"], chapter)
                .context("not all blocks have run to their end")?;
        }
        Some(Command::Build { instead: Some(Instead::Draw), .. }) => {
            update(&["pictures"], None).context("not all is drawn")?;
        }
        Some(Command::Build { open, book, .. }) => build(&book, open)?,
    }
    Ok(())
}

/// Speaks mdBook's protocol: a book comes in as JSON, and goes out.
fn preprocess() -> Result<()> {
    let (context, book) = parse_input(io::stdin())?;
    let book = Preparation.run(&context, book)?;
    serde_json::to_writer(io::stdout(), &book).context("write the book")
}

fn build(book: &Path, open: bool) -> Result<()> {
    let index = mdbook_stages::build(book)?;
    let index = index.canonicalize().with_context(|| format!("find {}", index.display()))?;
    println!("{}", index.display());
    if open {
        open::that_detached(&index).context("open a browser")?;
    }
    Ok(())
}

/// Has a test keep what it gets. It is a test since what it needs is more than who reads the book should have to build.
fn update(test: &[&str], only: Option<String>) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let status = process::Command::new(cargo)
        .args(["test", "-p", "mdbook-stages", "--test"])
        .args(test)
        .args(only)
        .current_dir(book())
        .env("BOOK_UPDATE", "1")
        .status()
        .context("start cargo")?;
    ensure!(status.success(), "cargo test: {status}");
    Ok(())
}
