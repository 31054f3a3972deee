//! Whose commands are told: those of the clone, which may be typed in a learner's folder of exercises.

use std::env;
use std::path::{Path, PathBuf};

/// The clone, by what Cargo tells the programs that it runs; None where it has not started this one.
fn clone() -> Option<PathBuf> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    package.ancestors().nth(2).map(Path::to_path_buf)
}

/// The workspace in which this was typed, where that is not the clone.
pub fn of_a_learner() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let workspace = here.ancestors().find(|directory| directory.join("Cargo.lock").exists())?;
    (workspace != clone()?).then(|| workspace.to_path_buf())
}

/// Where to type the commands that are told; None where that is here.
pub fn to_type_in() -> Option<PathBuf> {
    of_a_learner().and_then(|_| clone())
}
