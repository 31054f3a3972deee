//! Puts all exercises, solutions, alternatives and wrong solutions together, as modules of one program: each with the tests of its
//! exercise. One by one they would take minutes to build.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// What begins the tests of an exercise.
const TESTS: &str = "#[cfg(test)]\nmod tests {\n";

fn main() -> Result<()> {
    for watched in ["../exercises", "../solutions", "../alternatives", "."] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").context("Cargo sets it")?);
    let mut modules = String::new();
    let mut cases = String::from("const CASES: &[Case] = &[\n");
    for exercise in files(Path::new("../exercises"), 2)? {
        let name = stem(&exercise)?;
        let text = fs::read_to_string(&exercise)?;
        let (_, tests) = text.split_once(TESTS).with_context(|| format!("{name}: no {TESTS}"))?;
        let solution = Path::new("../solutions").join(exercise.strip_prefix("../exercises")?);
        let solution =
            fs::read_to_string(&solution).with_context(|| format!("{name}: no solution"))?;
        let mut candidates = vec![
            ("as_handed_out".to_owned(), text.clone(), "Fails"),
            ("solution".to_owned(), solution, "Passes"),
        ];
        for wrong in files(Path::new(&name), 1)? {
            candidates.push((stem(&wrong)?, fs::read_to_string(&wrong)?, "Refused"));
        }
        for right in files(&Path::new("../alternatives").join(&name), 1)? {
            candidates.push((stem(&right)?, fs::read_to_string(&right)?, "Accepted"));
        }
        for (candidate, text, verdict) in candidates {
            let module = format!("{name}__{candidate}");
            let code = text.split(TESTS).next().unwrap_or_default();
            let file = out.join(format!("{module}.rs"));
            fs::write(&file, format!("{code}{}", with_list(tests)?))?;
            writeln!(modules, "#[path = {file:?}]\nmod {module};")?;
            let after = |mark: &str| -> Vec<_> {
                text.lines().filter_map(|line| line.strip_prefix(mark)).collect()
            };
            let (words, places) = (after("// refused with: "), after("// refused at: "));
            let same_tests = text.split_once(TESTS).is_none_or(|(_, copy)| copy == tests);
            writeln!(
                cases,
                "Case {{ exercise: {name:?}, candidate: {candidate:?}, verdict: Verdict::{verdict}, \
                 words: &{words:?}, places: &{places:?}, same_tests: {same_tests}, tests: {module}::tests::LIST }},"
            )?;
        }
    }
    fs::write(out.join("cases.rs"), format!("{modules}\n{cases}];\n"))?;
    Ok(())
}

/// Returns the Rust files that are so many levels below a directory, sorted.
fn files(directory: &Path, levels: u32) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return Ok(found) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && levels > 1 {
            found.extend(files(&path, levels - 1)?);
        } else if levels == 1 && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn stem(file: &Path) -> Result<String> {
    Ok(file.file_stem().context("no name")?.to_str().context("not UTF-8")?.to_owned())
}

/// Returns the tests as a module with a list of them, and not for libtest.
fn with_list(tests: &str) -> Result<String> {
    let mut lines = tests.lines();
    let mut names = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() == "#[test]" {
            let function = lines.next().unwrap_or_default().trim();
            let name = function.strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            names.push(name.with_context(|| format!("no function after #[test]: {function}"))?);
        }
    }
    ensure!(!names.is_empty(), "no tests");
    let list: String = names.iter().map(|name| format!("({name:?}, {name}), ")).collect();
    let tests = tests.replace("#[test]\n", "");
    Ok(format!("pub mod tests {{\npub const LIST: &[(&str, fn())] = &[{list}];\n{tests}"))
}
