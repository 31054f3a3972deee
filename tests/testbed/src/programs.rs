//! The programs of other packages, which Cargo builds for no test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

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
    let lock = workspace().join("Cargo.lock");
    let mut all_are_built = true;
    for (package, program) in programs {
        command.args(["-p", package]);
        all_are_built &= is_up_to_date(&profile.join(program), &lock).unwrap_or(false);
    }
    if !all_are_built {
        let status = command.status().context("start cargo")?;
        ensure!(status.success(), "cargo build: {status}");
    }
    Ok(profile.to_owned())
}

/// Whether a program is newer than all that it was made of: its sources, by the file that Cargo writes beside it for other build
/// systems (The Cargo Book, "Build Cache"), their packages' manifests, and the `lock` file of others' crates.
///
/// # Errors
///
/// It was never built, or something of it is gone.
fn is_up_to_date(program: &Path, lock: &Path) -> Result<bool> {
    let changed = |path: &Path| -> Result<SystemTime> { Ok(fs::metadata(path)?.modified()?) };
    let built = changed(program)?;
    let rule = fs::read_to_string(program.with_extension("d"))?;
    let (_, sources) = rule.split_once(": ").context("no sources")?;
    if built < changed(lock)? {
        return Ok(false);
    }
    // As make(1) has it, a blank in a path has a backslash before it.
    for source in sources.trim_end().replace("\\ ", "\0").split(' ') {
        let source = PathBuf::from(source.replace('\0', " "));
        let manifest =
            source.ancestors().map(|above| above.join("Cargo.toml")).find(|file| file.exists());
        if built < changed(&source)? || built < changed(&manifest.context("no manifest")?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The workspace that this was built in.
fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use super::is_up_to_date;

    #[test]
    fn a_program_is_up_to_date_while_nothing_that_it_was_made_of_is_newer() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let escaped = |name: &str| path(name).to_str().unwrap().replace(' ', "\\ ");
        fs::create_dir_all(path("a package/src")).unwrap();
        let rule = format!("{}: {}\n", escaped("a program"), escaped("a package/src/main.rs"));
        fs::write(path("a program.d"), rule).unwrap();
        let built = SystemTime::now();
        let change = |name: &str, seconds| {
            let file = File::options().create(true).append(true).open(path(name)).unwrap();
            file.set_modified(built + Duration::from_secs(seconds)).unwrap();
        };
        let made_of = ["Cargo.lock", "a package/Cargo.toml", "a package/src/main.rs"];
        made_of.iter().for_each(|name| change(name, 0));
        change("a program", 1);
        let is_up_to_date = || is_up_to_date(&path("a program"), &path("Cargo.lock"));
        assert!(is_up_to_date().unwrap());
        for name in made_of {
            change(name, 2);
            assert!(!is_up_to_date().unwrap(), "{name}");
            change(name, 0);
        }
        fs::remove_file(path("a package/src/main.rs")).unwrap();
        is_up_to_date().unwrap_err();
    }
}
