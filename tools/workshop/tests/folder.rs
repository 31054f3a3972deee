//! A learner's own folder, as the tool makes it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::{TempDir, tempdir};

fn tool(directory: &Path, args: &[&str]) -> Output {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_workshop-tool"));
    tool.args(args).current_dir(directory).output().unwrap()
}

/// Runs the tool, and returns what it says. It has to succeed.
#[track_caller]
fn says(directory: &Path, args: &[&str]) -> String {
    let output = tool(directory, args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the tool, which has to refuse in one line with these words.
#[track_caller]
fn refuses(directory: &Path, args: &[&str], words: &str) {
    let output = tool(directory, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().count() == 1 && said.contains(words), "{said}");
}

fn half_day() -> TempDir {
    let directory = tempdir().unwrap();
    says(directory.path(), &["init", "own", "--plan", "half-day"]);
    directory
}

#[test]
fn a_plan_has_its_exercises_and_no_other() {
    let directory = half_day();
    let plan = fs::read_to_string("../../workshop/plans/half-day").unwrap();
    let info = fs::read_to_string(directory.path().join("own/info.toml")).unwrap();
    let names: Vec<_> = info
        .lines()
        .filter_map(|line| Some(line.strip_prefix("name = \"")?.trim_end_matches('"')))
        .collect();
    let mut expected: Vec<_> = plan.lines().collect();
    assert_eq!(names.len(), expected.len());
    expected.retain(|name| !names.contains(name));
    assert!(expected.is_empty(), "{expected:?}");
}

#[test]
fn cargo_finds_the_exercises_the_stages_and_the_clone_without_a_network() {
    let directory = half_day();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--offline", "--no-deps", "--format-version", "1", "--manifest-path"]);
    let output = cargo.arg(directory.path().join("own/Cargo.toml")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let metadata = String::from_utf8_lossy(&output.stdout);
    let clone = fs::canonicalize("../..").unwrap();
    let own = fs::canonicalize(directory.path().join("own")).unwrap();
    for path in [clone.join("workshop/grader"), own.join("exercises"), own.join("stages/03-pid")] {
        assert!(metadata.contains(path.to_str().unwrap()), "{} is not known", path.display());
    }
    // The same crates as the clone's, which are there already.
    let lock = fs::read_to_string(own.join("Cargo.lock")).unwrap();
    assert!(lock == fs::read_to_string("../../workshop/Cargo.lock").unwrap());
}

#[test]
fn an_exercise_is_reset_without_git() {
    let directory = half_day();
    let own = directory.path().join("own");
    let file = own.join("exercises/03_pid/nspid.rs");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, "spoilt").unwrap();
    says(&own, &["reset", "nspid"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    refuses(&own, &["reset", "overlay"], "overlay.rs is not here");
}

#[test]
fn what_is_handed_out_is_committed_where_there_is_git() {
    if Command::new("git").arg("--version").output().is_err() {
        return;
    }
    let directory = half_day();
    let own = directory.path().join("own");
    let status = Command::new("git").args(["status", "--porcelain"]).current_dir(own).output();
    let status = status.unwrap();
    assert!(status.status.success() && status.stdout.is_empty(), "{status:?}");
}

#[test]
fn a_folder_that_is_not_empty_is_left_as_it_is() {
    let directory = half_day();
    refuses(directory.path(), &["init", "own"], "is not empty");
}

#[test]
fn a_plan_that_does_not_exist_is_named_with_those_that_do() {
    let directory = tempdir().unwrap();
    refuses(directory.path(), &["init", "own", "--plan", "week"], "there are full-day, half-day");
    assert!(!directory.path().join("own").exists());
}

#[test]
fn hints_come_one_at_a_time() {
    let directory = tempdir().unwrap();
    for step in 1..=3 {
        let hint = says(directory.path(), &["hint", "nspid", &step.to_string()]);
        assert!(hint.starts_with(&format!("{step}. ")), "{hint}");
        assert!(!hint.contains(&format!("\n{}. ", step + 1)), "{hint}");
    }
    refuses(directory.path(), &["hint", "nothing"], "there is no exercise nothing");
}
