//! The container of a stage in OCI's words: a bundle, an image, a Pod. And the way back: an image as a root directory.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{ArgGroup, Parser, Subcommand};
use common::check::{check, init_logging};

use container::Container;
use options::Options;

mod capabilities;
mod container;
mod image;
mod interrupt;
mod options;
mod place;
mod pod;
mod runtime;
mod unpack;

/// What the command line can say.
#[derive(Parser)]
#[command(
    version,
    about,
    name = "cargo bundle",
    override_usage = "cargo bundle DIR [OPTIONS] [-- SHELL ARGUMENTS]\n       \
                      cargo bundle --image FILE [--format oci|docker] [OPTIONS] [-- SHELL ARGUMENTS]\n       \
                      cargo bundle --pod [OPTIONS] [-- SHELL ARGUMENTS]\n       \
                      cargo bundle unpack ARCHIVE DIR [--limit MIB]",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    group(ArgGroup::new("what").args(["directory", "image", "pod"]).required(true))
)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Directory to make, as a bundle
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Write the root directory as an image, and print the commands that run it
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Format of the image's archive
    #[arg(long, conflicts_with_all = ["directory", "pod"], default_value = "oci")]
    format: image::Format,
    /// Print a Pod for Kubernetes
    #[arg(long)]
    pod: bool,
    #[command(flatten)]
    options: Options,
    /// Arguments for the shell
    #[arg(last = true)]
    shell_args: Vec<OsString>,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a directory for --rootfs out of an image's archive
    Unpack {
        /// What `docker save`, `podman save` or `skopeo copy` has written
        archive: PathBuf,
        /// Directory to make
        directory: PathBuf,
        /// How much an image may hold, in MiB
        #[arg(long, value_name = "MIB", default_value_t = 4096)]
        limit: u64,
    },
}

/// Does one of the four.
fn main() -> ExitCode {
    init_logging();
    check(run(Args::parse()))
}

fn run(args: Args) -> Result<ExitCode> {
    interrupt::remember()?;
    if let Some(Command::Unpack { archive, directory, limit }) = args.command {
        unpack::unpack(&archive, &directory, limit)?;
        print(&unpack::command(&directory)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let container = Container::new(args.options, args.shell_args)?;
    if let Some(directory) = args.directory {
        write_bundle(&container, &directory)?;
    } else if let Some(file) = args.image {
        image::write(&container, &file, args.format)?;
        print(&image::commands(&container, &file, args.format)?)?;
    } else {
        print(&pod::pod(&container)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes `directory` with a config.json in it, which refers to the root directory where that is.
fn write_bundle(container: &Container, directory: &Path) -> Result<()> {
    let config = runtime::config(container)?;
    place::directory(directory, |new| {
        fs::write(new.join("config.json"), config).context("write config.json")
    })
}

fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to standard output"),
    }
}
