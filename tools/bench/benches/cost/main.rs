//! What a container costs: each stage beside the floor, and beside the tools that people would use instead.
//!
//! `cargo bench -p bench` measures, `cargo bench -p bench -- --help` tells what can be chosen. What is compared
//! takes turns, so that a machine that is slow for a while is slow for all. All of it runs in namespaces
//! around it, as the tests do: the host stays as it was. Two things are on the host: the tables in
//! `target/bench`, and the cgroups of stage 08, below the caller's own, for as long as a container lives.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use common::check::{check, init_logging};
use common::reexec::{self, IdMap};
use common::rootfs;
use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::unistd::{getgid, getuid};
use testbed::host;

use report::Report;

mod many;
mod measure;
mod prices;
mod programs;
mod report;
mod starts;
mod watched;
mod wiring;

/// What the command line can say.
#[derive(Parser)]
#[command(about, bin_name = "cargo bench -p bench --")]
struct Args {
    /// Runs of each candidate
    #[arg(long, value_name = "N", default_value = "100")]
    rounds: usize,
    /// Check that all of this works: few runs, of programs in this one's profile (`--profile dev`)
    #[arg(long, conflicts_with = "update_book")]
    quick: bool,
    /// Measure only these parts
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Measure also how long the stages take to build, from nothing: minutes
    #[arg(long)]
    cold_builds: bool,
    /// Put the tables and the plot into the book
    #[arg(long)]
    update_book: bool,
    /// What Cargo says
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of what is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A container of each stage, beside the floor and the tools
    Starts,
    /// What the kernel charges, one by one: namespaces, programs, devices
    Prices,
    /// The network part of stage 06, beside the bare messages
    Network,
    /// Many starts, one after the other and at once
    Many,
    /// The default root directory
    Root,
    /// A stage that lens looks at, or strace
    Watched,
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn rounds(&self) -> usize {
        if self.quick { 2 } else { self.rounds.max(1) }
    }
}

fn main() -> ExitCode {
    init_logging();
    let entry_points: [(&str, reexec::Entrypoint<()>); 4] = [
        ("measure", |_| measure_all(&Args::parse())),
        ("keeper", |_| Ok(ExitCode::SUCCESS)),
        ("bare", |_| wiring::bare()),
        ("empty", |_| wiring::empty()),
    ];
    check(reexec::dispatch(&(), &entry_points, |_| begin(&Args::parse())))
}

/// The workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The first entry point: builds the programs, and has them measured.
fn begin(args: &Args) -> Result<ExitCode> {
    let out = programs::target_dir()?.join("bench");
    fs::create_dir_all(&out).with_context(|| format!("mkdir {}", out.display()))?;
    let out = out.canonicalize().context("target/bench")?;
    programs::build(&out, args.quick)?;
    if args.cold_builds {
        programs::build_cold(&out)?;
    }
    let mut command =
        reexec::command("measure").same_session().cloneflag(host::NAMESPACES).current_dir(&out);
    if !getuid().is_root() {
        eprintln!(
            "not root: what needs root is left out, and root below is that of a user namespace"
        );
        command = command
            .cloneflag(CloneFlags::CLONE_NEWUSER)
            .uid_mappings(&[IdMap::one(0, getuid())])
            .gid_mappings(&[IdMap::one(0, getgid())]);
    }
    let status = command.run()?;
    if args.update_book && status == ExitCode::SUCCESS {
        let book = workspace().join("book/src/cost");
        fs::create_dir_all(&book).with_context(|| format!("mkdir {}", book.display()))?;
        for file in report::FILES {
            match fs::copy(out.join(file), book.join(file)) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                copied => drop(copied.with_context(|| format!("copy {file}"))?),
            }
        }
    }
    Ok(status)
}

const NONE: Option<&str> = None;

/// Hides the hierarchy of cgroup v2 where it is beside those of v1: crun does not run there, and nothing here needs it.
fn cover_unified() -> Result<()> {
    let unified = Path::new("/sys/fs/cgroup/unified");
    if !unified.exists() {
        return Ok(());
    }
    mount(Some("tmp"), unified, Some("tmpfs"), MsFlags::empty(), NONE).context("cover v2")
}

/// The second: process 1 of the namespaces around all that is measured. Its directory is `target/bench`.
fn measure_all(args: &Args) -> Result<ExitCode> {
    host::dress_up("bench", cover_unified)?;
    let programs = programs::copy_to("/tmp/programs".as_ref())?;
    let rootfs = rootfs::prepare(rootfs::DEFAULT.as_ref(), rootfs::SHELL.as_ref())?;
    let rootfs: &Path = rootfs.as_ref();
    ensure!(rootfs.join("bin/true").exists(), "{} has no /bin/true", rootfs.display());
    let mut report = Report::new(args.rounds(), programs.smallest(programs::PEAK)?);
    if args.wants(Part::Starts) {
        starts::measure(&programs, rootfs, args.rounds(), &mut report)?;
    }
    if args.wants(Part::Prices) {
        prices::measure(&programs, rootfs, args.rounds(), &mut report)?;
    }
    if args.wants(Part::Network) {
        wiring::measure(args.rounds(), &mut report)?;
    }
    if args.wants(Part::Many) {
        many::measure(&programs, args.quick, &mut report)?;
    }
    if args.wants(Part::Root) {
        many::measure_root(args.rounds(), &mut report)?;
    }
    if args.wants(Part::Watched) {
        watched::measure(&programs, args.rounds(), &mut report)?;
    }
    report.finish(!args.quick && args.only.is_empty())?;
    Ok(ExitCode::SUCCESS)
}
