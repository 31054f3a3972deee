//! The programs of other packages, which Cargo builds for no test.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Builds the programs of these packages, beside this one and in the same profile, and returns their directory. Cargo
/// can't be told that a test needs another package's program, and says where it has put its own only while it builds.
///
/// # Errors
///
/// This program is not where Cargo puts tests, or a package can't be built.
pub fn build<S: AsRef<str>>(packages: impl IntoIterator<Item = S>) -> Result<PathBuf> {
    let this = env::current_exe().context("find this program")?;
    let profile = this.parent().and_then(Path::parent).context("find the programs")?;
    let target = profile.parent().context("find the target directory")?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["build", "--target-dir"]).arg(target);
    command.arg("--manifest-path").arg(workspace().join("Cargo.toml"));
    if profile.file_name() == Some(OsStr::new("release")) {
        command.arg("--release");
    }
    for package in packages {
        command.args(["-p", package.as_ref()]);
    }
    let status = command.status().context("start cargo")?;
    ensure!(status.success(), "cargo build: {status}");
    Ok(profile.to_owned())
}

/// The workspace that this was built in.
fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
