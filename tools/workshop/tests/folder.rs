//! A learner's own folder, as the tool makes it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
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

/// Runs the tool with a Cargo that passes some exercises, and says this of all others.
fn with_cargo(own: &Path, args: &[&str], passing: &str, otherwise: &str) -> Output {
    let cargo = own.with_file_name("cargo");
    let script =
        format!("#!/bin/sh\ncase $4 in {passing}) exit 0;; esac\necho '{otherwise}'; exit 1\n");
    fs::write(&cargo, script).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_workshop-tool"));
    tool.args(args).current_dir(own).env("CARGO", cargo).output().unwrap()
}

#[test]
fn what_could_change_the_tests_is_graded_as_not_done() {
    let directory = half_day();
    let own = directory.path().join("own");
    let write = |name: &str, before: &str| {
        let text = fs::read_to_string(own.join("exercises").join(name)).unwrap();
        let text = text.replace(
            "#[cfg(test)]\nmod tests {\n",
            &format!("{before}\n#[cfg(test)]\nmod tests {{\n"),
        );
        fs::write(own.join("exercises").join(name), text).unwrap();
    };
    write("00_start/first_save.rs", "#[cfg(any())]");
    write("02_uts_hostname/not_the_host.rs", "// Without macro_rules! or #[cfg(any())].");
    // Neither a text with a comment in it hides what comes after it, nor another way to space it.
    let hidden = "const TEXT: &str = \"\n//\"; macro_rules /**/ ! format { () => {} }";
    write("06_network/loopback.rs", hidden);
    let output = with_cargo(&own, &["grade", ".", "--work", "../work"], "*", "");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("| first_save | 5 | has `#[cfg`, which no exercise takes |"), "{table}");
    assert!(table.contains("| not_the_host | 10 | done |"), "{table}");
    let refused = "has `macro_rules!`, which no exercise takes";
    let line = table.lines().find(|line| line.starts_with("| loopback |")).unwrap();
    assert!(line.contains(refused), "{table}");
    assert_eq!(output.status.code(), Some(1), "{table}");
}

/// Runs `cargo workshop progress` with such a Cargo. Returns what it says, and how many exercises it has tried.
fn progress(own: &Path, passing: &str, otherwise: &str) -> (String, usize) {
    let output = with_cargo(own, &["progress"], passing, otherwise);
    assert!(output.status.success(), "{output:?}");
    let tried = String::from_utf8_lossy(&output.stderr).matches("trying ").count();
    (String::from_utf8(output.stdout).unwrap(), tried)
}

fn write_in(own: &Path, file: &str) {
    let file = own.join("exercises").join(file);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}// Mine.\n")).unwrap();
}

#[test]
fn progress_counts_what_passes_whoever_has_noted_what() {
    let directory = half_day();
    let own = directory.path().join("own");
    let wrong = "Wrong: the name.";
    // Nobody has begun.
    let (said, tried) = progress(&own, "none", wrong);
    assert!(said.starts_with("0 of 11 exercises, 0 of 7 stages\n\nfirst_save "), "{said}");
    assert_eq!((said.matches("not begun").count(), tried), (7, 0), "{said}");
    // With Cargo alone: nothing is noted by Rustlings.
    write_in(&own, "00_start/first_save.rs");
    write_in(&own, "03_pid/nspid.rs");
    let (said, tried) = progress(&own, "first_save", wrong);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!((lines[0], tried), ("1 of 11 exercises, 0 of 7 stages", 2));
    assert!(lines[2].starts_with("not_the_host ") && lines[2].ends_with("10 minutes in the plan"));
    assert_eq!(lines[3], "nspid            begun, and does not pass");
    // What has not changed is not tried again.
    assert_eq!(progress(&own, "none", wrong), (said, 0));
    // Rustlings has seen two that pass, and one of them has been changed since.
    let noted = "DON'T EDIT THIS FILE!\n\njoin\n\nfirst_save\nnspid\n";
    fs::write(own.join(".rustlings-state.txt"), noted).unwrap();
    write_in(&own, "00_start/first_save.rs");
    let (said, _) = progress(&own, "nspid", wrong);
    assert!(said.starts_with("0 of 11 exercises") && said.contains("\njoin "), "{said}");
    // From a directory of the folder.
    assert!(says(&own.join("exercises/03_pid"), &["progress"]).starts_with("0 of 11 exercises"));
}

#[test]
fn what_cannot_be_tried_here_counts_where_rustlings_has_seen_it_pass() {
    let directory = half_day();
    let own = directory.path().join("own");
    let needs = "This exercise needs a cgroup of your own";
    write_in(&own, "08_cgroups/pids_max.rs");
    let (said, _) = progress(&own, "none", needs);
    assert!(said.starts_with("0 of 11 exercises"), "{said}");
    assert!(said.contains(&format!("pids_max         can't be tried here: {needs}\n")), "{said}");
    fs::write(own.join(".rustlings-state.txt"), "\n\njoin\n\npids_max\n").unwrap();
    let (said, _) = progress(&own, "none", needs);
    assert!(said.starts_with("1 of 11 exercises") && !said.contains(needs), "{said}");
}

#[test]
fn of_other_folders_that_counts_which_is_noted_there() {
    let directory = half_day();
    let own = directory.path().join("own");
    write_in(&own, "00_start/first_save.rs");
    progress(&own, "first_save", "");
    let noted = "DON'T EDIT THIS FILE!\n\nnspid\n\njoin\n";
    fs::write(own.join(".rustlings-state.txt"), noted).unwrap();
    let noted = fs::read_to_string(own.join(".stages-state.txt")).unwrap();
    let noted = noted.replacen("not begun", "done", 1);
    fs::write(own.join(".stages-state.txt"), noted).unwrap();
    let said = says(directory.path(), &["progress", "own"]);
    assert!(said.contains("2 of 11 exercises, 1 of 7 stages"), "{said}");
    assert!(said.contains(" at nspid ") && said.ends_with("saved 0 min ago\n"), "{said}");
    // What somebody else has written there is no more than the name of an exercise.
    fs::remove_file(own.join(".exercises-state.txt")).unwrap();
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
    refuses(directory.path(), &["talk", "week"], "no plan week: there are full-day, half-day");
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
fn a_stage_is_reset_with_the_files_that_belong_to_it() {
    let directory = half_day();
    let own = directory.path().join("own");
    let main = own.join("stages/06-network/src/main.rs");
    let manifest = own.join("stages/06-network/Cargo.toml");
    let before = [&main, &manifest].map(|file| fs::read_to_string(file).unwrap());
    fs::write(&main, "spoilt").unwrap();
    says(&own.join("stages"), &["reset", "06-network"]);
    assert_eq!([&main, &manifest].map(|file| fs::read_to_string(file).unwrap()), before);
}

#[test]
fn in_the_clone_git_resets() {
    let exercise = ["reset", "nspid"];
    refuses(Path::new("../../workshop/exercises"), &exercise, "git checkout ");
}

/// The aliases in a configuration of Cargo's, each with its definition.
fn aliases(file: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let (_, text) = text.split_once("[alias]\n").unwrap();
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.split("\n[").next().unwrap().lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(" = ") {
            Some((name, rest)) if !line.starts_with(' ') => {
                found.push((name.into(), rest.into()));
            }
            _ => found.last_mut().into_iter().for_each(|(_, rest)| *rest += line.trim()),
        }
    }
    found
}

#[test]
fn the_commands_of_the_clone_are_there_and_what_is_not_the_learners_is_the_clones() {
    let directory = half_day();
    let own = fs::canonicalize(directory.path().join("own")).unwrap();
    let clone = fs::canonicalize("../..").unwrap();
    let (here, workshop) = (
        aliases(&own.join(".cargo/config.toml")),
        aliases(&clone.join("workshop/.cargo/config.toml")),
    );
    let is_own = |definition: &str| {
        let package = definition.split("-p ").nth(1).and_then(|rest| rest.split(' ').next());
        let mut stages = fs::read_dir(own.join("stages")).unwrap().flatten();
        package.is_none_or(|package| {
            stages.any(|stage| stage.file_name().to_string_lossy()[3..] == *package)
        })
    };
    for (name, definition) in aliases(&clone.join(".cargo/config.toml")) {
        let (_, own_one) = here.iter().find(|(known, _)| *known == name).expect(&name);
        let inner = workshop.iter().find(|(known, _)| *known == name);
        if is_own(&definition) {
            assert_eq!(*own_one, definition);
            assert!(inner.is_none(), "{name}");
            continue;
        }
        let path = format!("\"{}/Cargo.toml\"", clone.display());
        assert!(own_one.contains(&path), "{own_one}");
        // In the workshop of the clone the same, by a path from there.
        let (run, rest) = definition.split_once(' ').unwrap();
        let expected = format!("{run} --manifest-path ../Cargo.toml {rest}");
        assert_eq!(inner.expect(&name).1, expected);
    }
    let mut cargo = Command::new(env!("CARGO"));
    let list = cargo.arg("--list").current_dir(&own).output().unwrap();
    let list = String::from_utf8_lossy(&list.stdout);
    assert!(here.iter().all(|(name, _)| list.contains(&format!("\n    {name} "))), "{list}");
}

/// The files of a folder with these endings, but for what is a link.
fn texts(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() || path.ends_with(".git") {
            continue;
        } else if path.is_dir() {
            texts(&path, found);
        } else if path
            .extension()
            .is_some_and(|kind| ["rs", "md", "toml"].iter().any(|known| kind == *known))
        {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn each_command_of_cargo_that_a_learner_is_told_is_there() {
    let directory = tempdir().unwrap();
    says(directory.path(), &["init", "own"]);
    let own = directory.path().join("own");
    let mut cargo = Command::new(env!("CARGO"));
    let list = cargo.arg("--list").current_dir(&own).output().unwrap();
    let list = String::from_utf8_lossy(&list.stdout);
    let mut told = Vec::new();
    texts(&own, &mut told);
    for source in
        ["workshop/grader/src", "tests/testbed/src", "tests/conformance/src/steps", "common/src"]
    {
        texts(&Path::new("../..").join(source), &mut told);
    }
    let mut names = BTreeSet::new();
    for text in &told {
        for rest in text.split("`cargo").skip(1).chain(text.split("    cargo").skip(1)) {
            let mut words = rest.split_whitespace().map(|word| word.trim_matches(['`', '/']));
            let name = words.next().unwrap_or_default();
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if rest.starts_with(char::is_whitespace)
                && !name.is_empty()
                && name.chars().all(is_name)
            {
                names.insert(name);
            }
        }
    }
    for name in ["book", "doctor", "rootless", "workshop", "test", "run"] {
        assert!(names.contains(name), "{names:?}");
    }
    for name in names {
        assert!(list.contains(&format!("\n    {name} ")), "cargo {name} is not there: {list}");
    }
}

#[test]
fn the_readme_leads_to_what_is_there() {
    let directory = half_day();
    let own = directory.path().join("own");
    let readme = fs::read_to_string(own.join("README.md")).unwrap();
    let clone = fs::canonicalize("../..").unwrap();
    for words in ["cd workshop", "workshop init ~", "](../", "`../"] {
        assert!(!readme.contains(words), "{words}: {readme}");
    }
    assert!(readme.contains(&format!("{}, which has to stay where it is", clone.display())));
    let targets = readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let (inside, files): (Vec<_>, Vec<_>) = targets.partition(|target| target.starts_with('#'));
    assert!(files.len() > 1 && inside.len() > 2, "{readme}");
    for target in files {
        let file = target.split('#').next().unwrap();
        assert!(own.join(file).exists(), "{target} is not there");
    }
    let heading = |line: &str| format!("#{}", line.to_lowercase().replace(' ', "-"));
    let headings: Vec<_> = readme
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| heading(line.trim_start_matches('#').trim()))
        .collect();
    for target in inside {
        assert!(headings.iter().any(|heading| heading == target), "{target}: {headings:?}");
    }
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

#[test]
fn who_mistypes_a_name_is_offered_the_nearest() {
    let directory = half_day();
    let own = directory.path().join("own");
    refuses(&own, &["hint", "piovt"], "there is no exercise piovt: did you mean pivot?");
    refuses(&own, &["reset", "pid_max"], "did you mean pids_max?");
    refuses(&own, &["hint", "queue"], "did you mean mqueue, or message_queue?");
    // Stages have no hints, by whatever name.
    for name in ["03-pid", "pid", "03"] {
        refuses(&own, &["hint", name], "03-pid is a stage to write");
    }
    refuses(&own, &["talk", "halfday"], "there are full-day, half-day");
}
