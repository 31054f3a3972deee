//! The commands of the clone in a learner's folder: its aliases of Cargo. The stages there are the learner's own; all else is
//! built from the clone, in the folder, since the clone may be somebody else's.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use common::quote::quoted;

/// What keeps `cargo book` out of the clone.
const BOOK: &str = "\n# Where `cargo book` writes to.\n[env]\n\
                    MDBOOK_BUILD__BUILD_DIR = { value = \"target/book\", relative = true }\n";

/// Returns a configuration of Cargo for a folder, made of that of the clone.
///
/// - `own`: the packages of the folder's own workspace.
///
/// # Errors
///
/// A path can't stand in it, or the clone's has a form that is not known.
pub fn configuration(text: &str, own: &[String], clone: &Path, folder: &Path) -> Result<String> {
    for path in [clone, folder] {
        ensure!(
            !path.to_string_lossy().contains(['"', '\\', '\'']),
            "{} has a quote in its name, which Cargo's configuration can't have",
            quoted(path)
        );
    }
    let mut changed =
        String::from("# As in the clone, where all is built from that is not written here.\n");
    for line in text.lines() {
        changed += &match packaged(line) {
            Some((name, run, package, rest)) if !own.iter().any(|own| own == package) => {
                let rest: String = rest.split(' ').map(|word| format!(", \"{word}\"")).collect();
                format!(
                    "{name} = [\n    \"{run}\", \"--manifest-path\", \"{}/Cargo.toml\",\n    \
                     \"--target-dir\", \"{}/target/tool\", \"-p\", \"{package}\"{rest},\n]",
                    clone.display(),
                    folder.display(),
                )
            }
            _ => line.to_owned(),
        };
        changed += "\n";
    }
    ensure!(changed.contains("\nworkshop = [\n"), "the clone's Cargo has no `cargo workshop`");
    Ok(format!("{changed}{BOOK}"))
}

/// Takes an alias apart that runs a program of a package: its name, `run` or what stands for it, the package, and what
/// follows.
fn packaged(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (name, command) = line.split_once(" = \"")?;
    let (run, rest) = command.strip_suffix('"')?.split_once(" -p ")?;
    let (package, rest) = rest.split_once(' ')?;
    Some((name, run, package, rest))
}

/// Returns the names of the packages in a folder's stages.
///
/// # Errors
///
/// A file can't be read.
pub fn packages(folder: &Path) -> Result<Vec<String>> {
    let stages = crate::stages::Stage::all(folder).context("find the stages")?;
    Ok(stages.into_iter().map(|stage| stage.package).collect())
}
