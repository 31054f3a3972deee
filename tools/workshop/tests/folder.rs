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
    let planned: Vec<_> = plan.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, planned);
}

#[test]
fn rustlings_begins_with_the_minutes_of_the_plan_and_with_what_can_be_left_out() {
    let directory = half_day();
    let info = fs::read_to_string(directory.path().join("own/info.toml")).unwrap();
    let minutes = info.lines().filter_map(|line| line.strip_prefix("minutes = "));
    let minutes: u32 = minutes.map(|minutes| minutes.parse::<u32>().unwrap()).sum();
    let welcome = info.split("\"\"\"").nth(1).unwrap();
    for said in [
        "The plan half-day: 11 exercises",
        &format!("{} h {} min to write in", minutes / 60, minutes % 60),
        "jump over\n    join, loopback\n",
        "Containers, one diff at a time",
    ] {
        assert!(welcome.contains(said), "{said}: {welcome}");
    }
    assert!(welcome.lines().all(|line| line.len() <= 78), "{welcome}");
}

#[test]
fn what_the_tests_name_is_found_in_the_folder() {
    let directory = half_day();
    assert!(directory.path().join("own/book/src/04-mount.md").exists());
}

#[test]
fn an_editor_is_told_where_the_workspace_is() {
    let directory = half_day();
    let settings = directory.path().join("own/.vscode/settings.json");
    let settings = fs::read_to_string(settings).unwrap();
    let linked = settings.split_once("linkedProjects\": [\"").unwrap().1.split('"').next().unwrap();
    assert!(directory.path().join("own").join(linked).exists(), "{settings}");
}

#[test]
fn the_folder_is_graded_by_the_forge_in_commands_of_this_tool() {
    let directory = half_day();
    let workflow = directory.path().join("own/.github/workflows/grade.yml");
    let workflow = fs::read_to_string(workflow).unwrap();
    assert!(workflow.contains("cargo workshop grade \"$folder\""), "{workflow}");
    // As clap has it: the command is known, and the folder is not there.
    refuses(directory.path(), &["grade", "nowhere"], "nowhere/info.toml");
}

#[test]
fn a_clone_that_only_others_may_write_to_is_built_in_the_folder() {
    let directory = half_day();
    let own = fs::canonicalize(directory.path().join("own")).unwrap();
    let config = fs::read_to_string(own.join(".cargo/config.toml")).unwrap();
    assert!(config.contains(&format!("\"{}/target/tool\"", own.display())), "{config}");
}

#[test]
fn progress_counts_exercises_and_stages() {
    let directory = half_day();
    let own = directory.path().join("own");
    let noted = "DON'T EDIT THIS FILE!\n\nnspid\n\nfirst_save\njoin\n";
    fs::write(own.join(".rustlings-state.txt"), noted).unwrap();
    let said = says(&own, &["progress"]);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], "2 of 11 exercises, 0 of 7 stages");
    assert!(
        lines[2].starts_with("nspid ") && lines[2].ends_with("10 minutes in the plan"),
        "{said}"
    );
    assert_eq!(said.matches("not begun").count(), 7, "{said}");
    // What has been noted of the stages is read from outside.
    let noted = fs::read_to_string(own.join(".stages-state.txt")).unwrap();
    let noted = noted.replacen("not begun", "done", 1);
    fs::write(own.join(".stages-state.txt"), noted).unwrap();
    let said = says(directory.path(), &["progress", "own"]);
    assert!(said.contains("2 of 11 exercises, 1 of 7 stages"), "{said}");
    assert!(said.contains(" at nspid ") && said.ends_with("saved 0 min ago\n"), "{said}");
    // What somebody else has written there is no more than the name of an exercise.
    fs::write(own.join(".rustlings-state.txt"), "\n\n\x1b[2Jowned\n\n\x1b[2J\n").unwrap();
    let said = says(directory.path(), &["progress", "own"]);
    assert!(said.contains("0 of 11 exercises") && said.contains(" at first_save "), "{said:?}");
    refuses(directory.path(), &["progress", "nowhere"], "nowhere/info.toml");
}

#[test]
fn a_stage_that_cannot_be_built_is_begun_and_not_done() {
    let directory = half_day();
    let own = directory.path().join("own");
    let main = own.join("stages/02-uts-hostname/src/main.rs");
    let code = fs::read_to_string(&main).unwrap();
    fs::write(&main, format!("{code}fn spoilt(\n")).unwrap();
    // So that Cargo says so at once.
    let manifest = own.join("stages/02-uts-hostname/Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{text}[spoilt\n")).unwrap();
    let said = says(&own, &["progress"]);
    assert!(said.contains("0 of 7 stages") && said.contains("02-uts-hostname  error"), "{said}");
    assert_eq!(said.matches("not begun").count(), 6, "{said}");
}

#[test]
fn a_talk_has_the_clock_and_the_words_of_the_book() {
    let directory = tempdir().unwrap();
    let track = says(directory.path(), &["talk", "half-day", "--from", "13:30"]);
    let chapter = fs::read_to_string("../../book/src/03-pid.md").unwrap();
    let failure = chapter.split_once("{#failure}\n").unwrap().1.trim().lines().next().unwrap();
    for said in [
        "## 13:30 (10 minutes)",
        "## 14:15 (10 minutes) 03: the talk\n",
        failure,
        "- `proc_of_its_own`: `1 outer`",
        "- quiz_files, 20 minutes. Ask: Which exercises",
    ] {
        assert!(track.contains(said), "{said}: {track}");
    }
    refuses(directory.path(), &["talk", "week"], "no plan week");
    let output = tool(directory.path(), &["talk", "half-day", "--from", "25:00"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
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
fn where_there_is_no_git_the_folder_is_made_all_the_same() {
    let directory = tempdir().unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_workshop-tool"));
    tool.args(["init", "own"]).current_dir(directory.path()).env("PATH", "/nowhere");
    let output = tool.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("There is no git here"), "{output:?}");
    let own = directory.path().join("own");
    assert!(own.join("info.toml").exists() && !own.join(".git").exists());
}

#[test]
fn a_folder_in_the_clone_is_refused() {
    fs::create_dir_all("../../target").unwrap();
    let directory = tempfile::tempdir_in("../../target").unwrap();
    refuses(directory.path(), &["init", "own"], "is in the clone: choose a folder beside it");
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
