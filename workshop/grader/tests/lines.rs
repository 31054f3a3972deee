//! The lines of a learner's file that an error has come from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use grader::exercise;
use nix::unistd::mkdtemp;

fn learners_function() -> Result<()> {
    bail!("on purpose")
}

#[test]
#[ignore = "fails: the test below starts it"]
fn an_error() {
    exercise::as_root("nothing", |host| host.run(learners_function));
}

/// A directory that nobody else can look into, as root's home. Dropped, it is removed.
struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn are_told_where_only_root_can_look() {
    let home = Home(mkdtemp("/var/tmp/grader-XXXXXX").unwrap());
    let (program, source) = (home.0.join("tests"), home.0.join(file!()));
    fs::copy("/proc/self/exe", &program).unwrap();
    fs::create_dir_all(source.parent().unwrap()).unwrap();
    // Tests are started in the directory of their package, and files are named from the workspace on.
    fs::copy(Path::new("tests").join(source.file_name().unwrap()), &source).unwrap();
    let mut run = Command::new(program);
    run.args(["--exact", "an_error", "--ignored", "--nocapture", "--test-threads=1"]);
    run.env("EXERCISE_ALONE", "1").env("CARGO_MANIFEST_DIR", &home.0);
    let output = run.env_remove("RUST_LIB_BACKTRACE").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("has returned an error: on purpose\n  line 12: bail!("), "{said}");
}
