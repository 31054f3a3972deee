//! The programs of other packages, which Cargo builds for no test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs, io};

use anyhow::{Context, Result, ensure};

/// Builds these programs, each of them a package and its file name, and returns their directory: they are beside this one and
/// in the same profile. Cargo can't be told that a test needs another package's program, and says where it has put its own
/// only while it builds.
///
/// What is up to date is not built again. `cargo test` has built all programs with the features that its tests ask for, and
/// `cargo build -p` would take others, for a minute or two.
///
/// # Errors
///
/// This program is not where Cargo puts tests, or a package can't be built.
pub fn build<'a>(programs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<PathBuf> {
    let this = env::current_exe().context("find this program")?;
    let profile = this.parent().and_then(Path::parent).context("find the programs")?;
    let target = profile.parent().context("find the target directory")?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["build", "--target-dir"]).arg(target);
    command.arg("--manifest-path").arg(workspace().join("Cargo.toml"));
    if profile.file_name() == Some(OsStr::new("release")) {
        command.arg("--release");
    }
    let changed = newest(workspace(), &OF_NO_PROGRAM).context("look at the sources")?;
    let mut all_are_built = true;
    for (package, program) in programs {
        command.args(["-p", package]);
        let built = fs::metadata(profile.join(program)).and_then(|program| program.modified());
        all_are_built &= built.is_ok_and(|built| built > changed);
    }
    if !all_are_built {
        let status = command.status().context("start cargo")?;
        ensure!(status.success(), "cargo build: {status}");
    }
    Ok(profile.to_owned())
}

/// What is in the workspace beside what programs are made of.
const OF_NO_PROGRAM: [&str; 4] = ["target", "tests", "book", "workshop"];

/// When anything in this directory was changed last that a program is made of: sources, manifests, and the lock file of others'
/// crates. A package's tests are not, and neither are the directories of these names.
///
/// # Errors
///
/// A directory that can't be read, or is gone.
fn newest(directory: &Path, left_out: &[&str]) -> io::Result<SystemTime> {
    let mut newest_here = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let changed = if entry.file_type()?.is_dir() {
            if name.starts_with('.') || left_out.contains(&&*name) {
                continue;
            }
            newest(&entry.path(), &["tests"])?
        } else if [".rs", ".toml", ".lock"].iter().any(|end| name.ends_with(end)) {
            entry.metadata()?.modified()?
        } else {
            continue;
        };
        newest_here = newest_here.max(changed);
    }
    Ok(newest_here)
}

/// The workspace that this was built in.
fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use super::{OF_NO_PROGRAM, newest};

    #[test]
    fn what_programs_are_made_of_makes_them_old_and_nothing_else() {
        let workspace = tempfile::tempdir().unwrap();
        let mut now = SystemTime::UNIX_EPOCH;
        let mut change = |name: &str| {
            let path = workspace.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            now += Duration::from_secs(1);
            File::create(path).unwrap().set_modified(now).unwrap();
            now
        };
        let newest = || newest(workspace.path(), &OF_NO_PROGRAM).unwrap();
        for name in [
            "Cargo.lock",
            "one/Cargo.toml",
            "one/src/main.rs",
            "one/src/deep/er.rs",
            "tools/workshop/src/main.rs",
        ] {
            let changed = change(name);
            assert_eq!(newest(), changed, "{name}");
        }
        let before = newest();
        for name in
            ["README.md", "target/one.rs", "one/tests/one.rs", ".git/one.rs", "workshop/one.rs"]
        {
            change(name);
            assert_eq!(newest(), before, "{name}");
        }
    }
}
