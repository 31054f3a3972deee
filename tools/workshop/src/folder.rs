//! A folder of a learner's own: a copy of what is to be solved, which finds the rest in this clone. So the clone stays as
//! it is, and `git pull` there has nothing to merge.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use common::quote::quoted;

use crate::info::{Exercise, Info, workshop};
use crate::plan::Plan;
use crate::{alias, readme};

/// Makes the folder.
///
/// - `plan`: the name of a file in workshop/plans, which lists exercises; None for all.
///
/// # Errors
///
/// The folder is there and is not empty; there is no such plan; a file can't be written.
pub fn make(directory: &Path, plan: Option<&str>, info: &Info) -> Result<()> {
    let plan = plan.map(|name| Plan::read(name, info)).transpose()?;
    if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty", quoted(directory));
    }
    fs::create_dir_all(directory).with_context(|| format!("make {}", quoted(directory)))?;
    let own = fs::canonicalize(directory).with_context(|| format!("find {}", quoted(directory)))?;
    // There Cargo would read the clone's configuration, too, and git would see it as the clone's.
    if own.starts_with(clone_of_this()?) {
        // It is empty, and most likely just made.
        let _ = fs::remove_dir(&own);
        bail!("{} is in the clone: choose a folder beside it", quoted(&own));
    }
    let chosen = plan.as_ref().map_or_else(
        || info.exercises.iter().collect::<Vec<_>>(),
        |plan| plan.exercises.iter().map(|(exercise, _)| *exercise).collect(),
    );
    copy(directory, &chosen, info)?;
    if let Some(plan) = plan {
        let file = directory.join("info.toml");
        write(&file, &plan.welcome(&read(&file)?)?)?;
    }
    prepare(directory)?;
    let committed = commit(directory);
    println!("{} has {} exercises. Type", quoted(directory), chosen.len());
    println!("    cd {} && rustlings", quoted(directory));
    if !committed {
        println!("There is no git here, so instead of `x` in Rustlings: cargo workshop reset NAME");
    }
    Ok(())
}

/// Adds what only a learner has a use for: `cargo workshop`, and what an editor and a forge are told.
fn prepare(directory: &Path) -> Result<()> {
    let clone = clone_of_this()?;
    let own = fs::canonicalize(directory).with_context(|| format!("find {}", quoted(directory)))?;
    let aliases = read(&clone.join(".cargo/config.toml"))?;
    let elsewhere = !alias::can_build_in(&clone);
    let packages = alias::packages(directory)?;
    let aliases = alias::configuration(&aliases, &packages, &clone, &own, elsewhere)?;
    write(&directory.join(".cargo/config.toml"), &aliases)?;
    let readme = readme::of_folder(&read(&workshop().join("README.md"))?, &clone)?;
    write(&directory.join("README.md"), &readme)?;
    let recommended = "{\n    \"recommendations\": [\"rust-lang.rust-analyzer\"]\n}\n";
    write(&directory.join(".vscode/extensions.json"), recommended)?;
    write(&directory.join(".vscode/settings.json"), SETTINGS)?;
    let grade = read(&workshop().join("grade.yml"))?;
    let grade = grade.replace(NOWHERE, &origin(&clone).unwrap_or_else(|| NOWHERE.into()));
    write(&directory.join(".github/workflows/grade.yml"), &grade)?;
    Ok(())
}

/// Where this clone is.
fn clone_of_this() -> Result<PathBuf> {
    fs::canonicalize(workshop().join("..")).context("find this clone")
}

/// Puts these exercises into a folder, the stages to write, and what finds the rest in this clone.
///
/// # Errors
///
/// A file can't be read or written.
pub fn copy(directory: &Path, chosen: &[&Exercise], info: &Info) -> Result<()> {
    let clone = clone_of_this()?;
    ensure!(
        !clone.to_string_lossy().contains(['"', '\\', '\'']),
        "{} has a quote in its name, which a Cargo.toml can't have",
        quoted(&clone)
    );
    for exercise in chosen {
        for kind in ["exercises", "solutions"] {
            let file = Path::new(kind).join(exercise.file());
            write(&directory.join(&file), &read(&workshop().join(&file))?)?;
        }
    }
    copy_stages(&workshop().join("stages"), &directory.join("stages"), &clone)?;
    let list: String = chosen.iter().map(|exercise| exercise.text.as_str()).collect();
    write(&directory.join("info.toml"), &format!("{}{list}", info.head))?;
    let manifest = manifest(&read(&workshop().join("Cargo.toml"))?, chosen, &clone)?;
    write(&directory.join("Cargo.toml"), &manifest)?;
    write(&directory.join("Cargo.lock"), &read(&workshop().join("Cargo.lock"))?)?;
    let ignored =
        "/target\n/book\n/.rustlings-state.txt\n/.exercises-state.txt\n/.stages-state.txt\n";
    write(&directory.join(".gitignore"), ignored)?;
    // What the tests name as book/src/... is found here, too.
    let link = directory.join("book");
    if !link.is_symlink() {
        symlink(clone.join("book"), &link).with_context(|| format!("link {}", quoted(&link)))?;
    }
    Ok(())
}

/// What the editor's rust-analyzer is told: where the workspace is, and to build beside the runner, which otherwise would
/// wait for it after each change.
const SETTINGS: &str = r#"{
    "rust-analyzer.linkedProjects": ["Cargo.toml"],
    "rust-analyzer.cargo.targetDir": true
}
"#;

/// Stands in grade.yml for the address of this clone's origin.
const NOWHERE: &str = "ADDRESS";

/// Returns the address that this clone comes from, if it is one that others can have it from.
fn origin(clone: &Path) -> Option<String> {
    let mut git = Command::new("git");
    git.args(["remote", "get-url", "origin"]).current_dir(clone);
    let output = git.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let address = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    address.starts_with("https://").then_some(address)
}

/// Returns a Cargo.toml with the programs of these exercises, whose other paths are those of the clone.
fn manifest(text: &str, chosen: &[&Exercise], clone: &Path) -> Result<String> {
    let (before, rest) = text.split_once("bin = [\n").context("no programs in Cargo.toml")?;
    let (programs, after) =
        rest.split_once("]\n").context("no end of the programs in Cargo.toml")?;
    let is_chosen = |line: &&str| {
        let name = line.split('"').nth(1).unwrap_or_default();
        chosen.iter().any(|exercise| name.trim_end_matches("_sol") == exercise.name)
    };
    let programs: String =
        programs.lines().filter(is_chosen).map(|line| format!("{line}\n")).collect();
    let after = after
        .replace("path = \"../", &format!("path = \"{}/", clone.display()))
        .replace("path = \"grader\"", &format!("path = \"{}/workshop/grader\"", clone.display()));
    let is_left_out = |line: &&str| {
        line.starts_with("exclude = ") || line.starts_with("# They are built with the stages")
    };
    let after: String =
        after.lines().filter(|line| !is_left_out(line)).map(|line| format!("{line}\n")).collect();
    Ok(format!("{before}bin = [\n{programs}]\n{after}"))
}

/// Copies the stages to write. What is a link there becomes a file, and paths that lead out of the workshop become those
/// of the clone.
fn copy_stages(from: &Path, to: &Path, clone: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("read {}", quoted(from)))? {
        let path = entry?.path();
        let copy = to.join(path.file_name().context("no name")?);
        if path.is_dir() {
            copy_stages(&path, &copy, clone)?;
            continue;
        }
        let text = read(&path)?;
        let root = format!("\"{}/", clone.display());
        write(&copy, &text.replace("\"../../../", &root))?;
    }
    Ok(())
}

/// Makes an exercise of a folder, or a stage to write, what it was when it was handed out.
///
/// # Errors
///
/// The folder has no such exercise, and no such stage, or is the clone itself.
pub fn reset(folder: &Path, name: &str, info: &Info) -> Result<()> {
    let is_stage = workshop().join("stages").join(name).join("src").is_dir();
    let what = match is_stage {
        true => Path::new("stages").join(name),
        false => info.exercise(name)?.source(),
    };
    ensure!(folder.join(&what).exists(), "{} is not here", quoted(&what));
    let (here, there) = (fs::canonicalize(folder.join(&what))?, workshop().join(&what));
    if here == fs::canonicalize(&there)? {
        bail!("here git knows what it was: git checkout {}", quoted(&here));
    }
    if is_stage {
        return copy_stages(&there, &here, &clone_of_this()?);
    }
    write(&here, &read(&there)?)
}

/// Commits all that is there, since Rustlings resets by `git stash`. Returns false where there is no git(1).
fn commit(directory: &Path) -> bool {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=workshop", "-c", "user.email=workshop@localhost"]);
        git.args(["-c", "commit.gpgsign=false"]).args(args).current_dir(directory);
        git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        git.status().is_ok_and(|status| status.success())
    };
    git(&["init"]) && git(&["add", "--all"]) && git(&["commit", "--message", "As handed out"])
}

/// Reads a file.
pub fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("read {}", quoted(file)))
}

/// Writes a file, and makes the directories that it is in.
pub fn write(file: &Path, text: &str) -> Result<()> {
    let directory = file.parent().context("a file is in a directory")?;
    fs::create_dir_all(directory).with_context(|| format!("make {}", quoted(directory)))?;
    fs::write(file, text).with_context(|| format!("write {}", quoted(file)))
}
