//! The commands of the clone in a learner's folder: its aliases of Cargo. The stages there are the learner's own; all else is
//! built from the clone, and where that is somebody else's, in the folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use common::quote::quoted;

/// What keeps `cargo book` out of the clone.
const BOOK: &str = "\n# Where `cargo book` writes to.\n[env]\n\
                    MDBOOK_BUILD__BUILD_DIR = { value = \"target/book\", relative = true }\n";

/// Returns a configuration of Cargo for a folder, made of that of the clone.
///
/// - `own`: the packages of the folder's own workspace.
/// - `elsewhere`: whether to build in the folder, and not in the clone.
///
/// # Errors
///
/// A path can't stand in it, or the clone's has a form that is not known.
pub fn configuration(
    text: &str,
    own: &[String],
    clone: &Path,
    folder: &Path,
    elsewhere: bool,
) -> Result<String> {
    for path in [clone, folder] {
        ensure!(
            !path.to_string_lossy().contains(['"', '\\', '\'']),
            "{} has a quote in its name, which Cargo's configuration can't have",
            quoted(path)
        );
    }
    let mut changed =
        String::from("# As in the clone, where all is built from that is not written here.\n");
    let place = match elsewhere {
        true => format!("\n    \"--target-dir\", \"{}/target/tool\",", folder.display()),
        false => String::new(),
    };
    for line in text.lines() {
        changed += &match packaged(line) {
            Some((name, run, package, rest)) if !own.iter().any(|own| own == package) => {
                let rest: String = rest.split(' ').map(|word| format!(", \"{word}\"")).collect();
                format!(
                    "{name} = [\n    \"{run}\", \"--manifest-path\", \"{}/Cargo.toml\",{place}\n    \
                     \"-p\", \"{package}\"{rest},\n]",
                    clone.display(),
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

/// Whether what is built from a clone can be left in it, with what has been built there already.
pub fn can_build_in(clone: &Path) -> bool {
    let target = clone.join("target");
    let probe = target.join(format!(".workshop-{}", std::process::id()));
    let can = fs::create_dir_all(&target).and_then(|()| fs::write(&probe, "")).is_ok();
    // It is there to be removed, if it is there.
    let _ = fs::remove_file(&probe);
    can
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLONES: &str = "[alias]\nstart = \"run -q\"\n03-pid = \"start -p pid --\"\n\
                          workshop = \"start -p workshop-tool --\"\n";

    #[test]
    fn a_clone_that_may_not_be_written_to_is_built_in_the_folder() {
        let of = |elsewhere| {
            let (clone, folder) = (Path::new("/clone"), Path::new("/mine"));
            configuration(CLONES, &["pid".into()], clone, folder, elsewhere).unwrap()
        };
        assert!(
            of(true).contains("\n    \"--target-dir\", \"/mine/target/tool\",\n"),
            "{}",
            of(true)
        );
        assert!(!of(false).contains("target-dir"), "{}", of(false));
        assert!(of(false).contains("\n03-pid = \"start -p pid --\"\n"), "{}", of(false));
    }

    #[test]
    fn a_name_with_a_quote_is_refused() {
        let (clone, folder) = (Path::new("/clone"), Path::new("/my \"folder\""));
        let refused = configuration(CLONES, &[], clone, folder, true).unwrap_err().to_string();
        assert!(refused.contains("has a quote in its name"), "{refused}");
    }
}
