//! A program that tries to leave the root directory that it was started in.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use nix::unistd::{chdir, chroot};

use crate::Stage;
use crate::stage::install_this;

/// Where the program is in the container, and the name that it knows itself by.
pub(super) const PROGRAM: &str = "/bin/escape";

/// A file that is on the host alone.
const MARKER: &str = "/tmp/only-on-the-host";

/// Returns whether a program in the stage's container can get out of its root directory.
pub fn escapes(stage: &Stage) -> bool {
    install_this(stage, "escape");
    fs::write(MARKER, "").expect("/tmp can be written to");
    match stage.run(["--nsshell", PROGRAM]).ok().trim() {
        "escaped" => true,
        "contained" => false,
        other => panic!("neither: {other}"),
    }
}

/// Moves the root directory below the current one, which so is outside of it, where `..` has no end before
/// the root of the mount namespace: chroot(2).
pub(super) fn main<A>(_: &A) -> Result<ExitCode> {
    ensure!(!Path::new(MARKER).exists(), "not even in a root directory");
    fs::create_dir_all("deeper").context("mkdir")?;
    chroot("deeper").context("chroot")?;
    for _ in 0..64 {
        chdir("..").context("chdir")?;
    }
    chroot(".").context("chroot")?;
    println!("{}", if Path::new(MARKER).exists() { "escaped" } else { "contained" });
    Ok(ExitCode::SUCCESS)
}
