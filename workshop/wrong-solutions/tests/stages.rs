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
