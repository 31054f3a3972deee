//! The stages to write, as they are handed out.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result, ensure};

#[test]
fn each_is_the_stage_before_it_and_comments() -> Result<()> {
    for stage in names(Path::new(STAGES))? {
        is_previous_stage(&stage).context(stage)?;
    }
    Ok(())
}

/// The `TODO`s of which nothing can be seen from outside: files to read that are written already, a question, and what is not
/// needed any more.
const UNSEEN: [(&str, u32); 4] =
    [("04-mount", 2), ("05-user", 3), ("06-network", 1), ("08-cgroups", 1)];

#[test]
fn each_todo_has_its_steps_in_order() -> Result<()> {
    let steps = fs::read_to_string("../../tests/conformance/src/steps/stages.rs")?;
    for stage in names(Path::new(STAGES))? {
        let main = fs::read_to_string(Path::new(STAGES).join(&stage).join("src/main.rs"))?;
        let mut asked: Vec<u32> = main
            .split("TODO ")
            .skip(1)
            .filter_map(|rest| rest.split(':').next()?.parse().ok())
            .filter(|todo| !UNSEEN.contains(&(stage.as_str(), *todo)))
            .collect();
        asked.sort();
        let function = format!("\nfn {}(traits", stage[3..].replace('-', "_"));
        let list = steps.split_once(&function).with_context(|| format!("no steps of {stage}"))?.1;
        let list = list.split_once("\n}\n").map_or(list, |(list, _)| list);
        let tried: Vec<u32> = list
            .lines()
            .filter(|line| line.contains(" => "))
            .flat_map(|line| line.split('"').nth(1).unwrap_or_default().split(" and "))
            .map(|todo| todo.parse().with_context(|| format!("{stage}: {todo}")))
            .collect::<Result<_>>()?;
        ensure!(tried.is_sorted(), "{stage}: the steps are not in order: {tried:?}");
        let tried: BTreeSet<_> = tried.into_iter().collect();
        ensure!(tried == asked.iter().copied().collect(), "{stage}: {asked:?} and {tried:?}");
    }
    Ok(())
}

/// Its `--help` says what it is, which Cargo takes from there.
#[test]
fn each_describes_itself_as_the_real_one_does() -> Result<()> {
    for stage in names(Path::new(STAGES))? {
        let described = |stages: &str| {
            let manifest = fs::read_to_string(Path::new(stages).join(&stage).join("Cargo.toml"))?;
            let mut lines = manifest.lines().map(str::to_owned);
            let line = lines.find(|line| line.starts_with("description = "));
            line.with_context(|| format!("{stages}/{stage} has no description"))
        };
        assert_eq!(described(STAGES)?, described(REAL)?);
    }
    Ok(())
}

/// Where they are.
const STAGES: &str = "../stages";

/// Where the real ones are.
const REAL: &str = "../..";

fn names(directory: &Path) -> io::Result<BTreeSet<String>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into())).collect()
}

/// Asserts that the files of a stage to write are those of the stage before, with comments between their lines.
/// What it has besides is handed out whole: a file of the real stage, to the letter.
fn is_previous_stage(stage: &str) -> Result<()> {
    let number: u8 = stage[..2].parse()?;
    let is_previous = |name: &String| name.starts_with(&format!("{:02}-", number - 1));
    let previous =
        names(Path::new(REAL))?.into_iter().find(is_previous).context("no stage before")?;
    let source = Path::new(REAL).join(previous).join("src");
    let copy = Path::new(STAGES).join(stage).join("src");
    for whole in names(&copy)?.difference(&names(&source)?) {
        let real = fs::read(Path::new(REAL).join(stage).join("src").join(whole))?;
        ensure!(fs::read(copy.join(whole))? == real, "{whole} is not the real stage's");
    }
    for name in names(&source)? {
        let expected = fs::read_to_string(source.join(&name))?;
        let mut expected = expected.lines().peekable();
        for line in fs::read_to_string(copy.join(&name))?.lines() {
            let known = expected.next_if_eq(&line).is_some();
            ensure!(known || line.trim_start().starts_with("// "), "{name}: {line}");
        }
        ensure!(expected.peek().is_none(), "{name} lacks {expected:?}");
    }
    Ok(())
}
