//! The programs to measure: how they are built, and where they are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::measure::{progress, succeed};
use crate::workspace;

/// The stages: package and program.
pub const STAGES: [(&str, &str); 8] = [
    ("uts", "01-uts"),
    ("uts-hostname", "02-uts-hostname"),
    ("pid", "03-pid"),
    ("mount", "04-mount"),
    ("user", "05-user"),
    ("network", "06-network"),
    ("ipc", "07-ipc"),
    ("cgroups", "08-cgroups"),
];

/// Those of them that are built in every way. The others are linked in the same ways, and take as long to build.
const IN_EVERY_BUILD: [(&str, &str); 2] = [STAGES[4], STAGES[5]];

/// The ways to link a program, by their names in the tables.
pub const BUILDS: [&str; 3] = ["default", "static", "musl"];

/// The programs in [`PROGRAMS`] that rustc compiles as they are: what a start costs at the least.
const SMALL: [&str; 2] = ["empty", "nothing"];

/// The programs of this package.
pub const ONCE_OR_TWICE: &str = "once-or-twice";
pub const PEAK: &str = "peak";
const OWN: [(&str, &str); 2] = [("bench", ONCE_OR_TWICE), ("bench", PEAK)];

/// What looks at others, and its package. How it is linked makes no difference.
pub const LENS: &str = "lens";

/// Where the programs are, below `target/bench`.
const PROGRAMS: &str = "programs";

/// Where Cargo builds this workspace.
pub fn target_dir() -> Result<PathBuf> {
    // target/release/deps/cost-0123456789abcdef
    let program = env::current_exe().context("find this program")?;
    Ok(program.ancestors().nth(3).context("find the target directory")?.to_owned())
}

fn target(libc: &str) -> String {
    format!("{}-unknown-linux-{libc}", env::consts::ARCH)
}

/// Whether rustc has a standard library for `target`.
fn has_std(target: &str) -> Result<bool> {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let output = Command::new(rustc)
        .args(["--target", target, "--print", "target-libdir"])
        .stderr(Stdio::null())
        .output()
        .context("run rustc")?;
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).exists())
}

/// Whether there is a C library to link with statically.
fn has_static_libc() -> bool {
    let output = Command::new("cc").arg("-print-file-name=libc.a").output();
    output.is_ok_and(|output| output.stdout.starts_with(b"/"))
}

/// Builds all programs, in all ways that this machine can, into `out`. Where it is `quick`, in one way, and in the profile of
/// this program.
pub fn build(out: &Path, quick: bool) -> Result<()> {
    let all = out.join(PROGRAMS);
    if all.exists() {
        fs::remove_dir_all(&all).context("remove the programs of the last run")?;
    }
    for build in BUILDS {
        let target = match build {
            "default" => None,
            _ if quick => continue,
            "static" if !has_static_libc() => {
                eprintln!("left out, static: no libc.a here");
                continue;
            }
            "static" => Some(target("gnu")),
            _ if !has_std(&target("musl"))? => {
                eprintln!("left out, musl: rustup target add {}", target("musl"));
                continue;
            }
            _ => Some(target("musl")),
        };
        let to = all.join(build);
        fs::create_dir_all(&to).context("mkdir")?;
        let programs = match target {
            None => [&STAGES[..], &OWN, &[(LENS, LENS)]].concat(),
            Some(_) => [IN_EVERY_BUILD, OWN].concat(),
        };
        let built = if quick {
            testbed::programs::build(programs.iter().copied())?
        } else {
            build_optimized(&programs, target.as_deref(), out)?
        };
        for (_, program) in programs {
            let copied = fs::copy(built.join(program), to.join(program));
            copied.with_context(|| format!("copy {program}"))?;
        }
        SMALL.iter().try_for_each(|program| compile(program, target.as_deref(), &to))?;
    }
    Ok(())
}

/// How to link statically. Not even a relocation is left to do at the start.
const STATIC: [&str; 4] = ["-C", "target-feature=+crt-static", "-C", "relocation-model=static"];

/// Builds these programs, each with its package before it, and returns their directory; statically with a `target`.
fn build_optimized(programs: &[(&str, &str)], target: Option<&str>, out: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(workspace()).args(["build", "--bins", "--release"]);
    cargo.args(programs.iter().flat_map(|(package, _)| ["-p", package]));
    let mut built = target_dir()?;
    if let Some(target) = target {
        // Apart: other flags would have everything built anew each time.
        built = out.join("build");
        cargo.args(["--target", target]).env("RUSTFLAGS", STATIC.join(" "));
    }
    succeed(cargo.arg("--target-dir").arg(&built))?;
    built.extend(target);
    built.push("release");
    Ok(built)
}

/// Compiles one of the programs that have no crates to `to`; statically with a `target`.
fn compile(program: &str, target: Option<&str>, to: &Path) -> Result<()> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.args(["-O", "-C", "strip=symbols"]);
    if let Some(target) = target {
        rustc.args(["--target", target]).args(STATIC);
        if let Some(linker) = linker(target) {
            rustc.arg("-C").arg(linker);
        }
    }
    if program == "nothing" {
        rustc.args(["-C", "link-args=-nostartfiles -nostdlib -static"]);
        rustc.args(["-C", "relocation-model=static", "-C", "panic=abort"]);
    }
    let source = workspace().join(format!("tools/bench/programs/{program}.rs"));
    succeed(rustc.arg("-o").arg(to.join(program)).arg(source))
}

/// The linker that Cargo has been told to use for a target, as an option for rustc.
fn linker(target: &str) -> Option<String> {
    let variable = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
    env::var(variable).ok().map(|linker| format!("linker={linker}"))
}

/// Builds each stage from nothing but the sources of its crates, and writes down how long that takes.
pub fn build_cold(out: &Path) -> Result<()> {
    let directory = out.join("cold");
    let progress = progress("cold", STAGES.len());
    let mut lines = csv::Writer::from_path(out.join("cold.csv")).context("write cold.csv")?;
    lines.write_record(["package", "profile", "seconds"])?;
    for (package, _) in STAGES {
        let start = Instant::now();
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.current_dir(workspace()).args(["build", "-q", "-p", package]);
        succeed(cargo.arg("--target-dir").arg(&directory))?;
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        progress.suspend(|| println!("cargo build -p {package}, from nothing: {seconds} s"));
        lines.write_record([package, "dev", &seconds])?;
        fs::remove_dir_all(&directory).context("remove the build")?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    lines.flush().context("write cold.csv")
}

/// Where the programs are that [`copy_to`] has copied.
pub struct Programs(PathBuf);

/// Copies the programs from `target/bench`, this process's directory, to `directory`.
pub fn copy_to(directory: &Path) -> Result<Programs> {
    for build in BUILDS.map(|build| Path::new(PROGRAMS).join(build)) {
        let Ok(programs) = fs::read_dir(&build) else { continue };
        let to = directory.join(build.file_name().context("name")?);
        fs::create_dir_all(&to).context("mkdir")?;
        for program in programs {
            let program = program.context("read the programs")?;
            fs::copy(program.path(), to.join(program.file_name())).context("copy a program")?;
        }
    }
    Ok(Programs(directory.into()))
}

impl Programs {
    /// The ways of linking in which there is `program`, and where that is.
    pub fn all(&self, program: &str) -> Vec<(&'static str, PathBuf)> {
        let path = |build| (build, self.0.join(build).join(program));
        BUILDS.into_iter().map(path).filter(|(_, path)| path.exists()).collect()
    }

    /// The build of `program` that takes the least memory.
    pub fn smallest(&self, program: &str) -> Result<PathBuf> {
        let (_, path) = self.all(program).pop().with_context(|| format!("no program {program}"))?;
        Ok(path)
    }

    /// The default build of `program`.
    pub fn default(&self, program: &str) -> Result<PathBuf> {
        match self.all(program).into_iter().next() {
            Some((_, path)) => Ok(path),
            None => bail!("no program {program}"),
        }
    }
}
