//! What a learner's folder says of itself: the workshop's README, for this place.

use std::path::Path;

use anyhow::{Context, Result};

/// The section on how to make such a folder. In there it gives way to where the rest is.
const OWN: &str = "### A folder of your own\n";

/// Returns the text, with what leads out of the workshop leading to the clone.
///
/// # Errors
///
/// The README is not what it was.
pub fn of_folder(text: &str, clone: &Path) -> Result<String> {
    let (before, rest) = text.split_once(OWN).context("README.md has such a section")?;
    let (_, after) = rest.split_once("\n### ").context("another section follows")?;
    let clone = clone.display();
    let own = format!(
        "### This folder\n\nIt is yours. The tests, the book (`book` is a link to it) and the tools are in\n\
         {clone}, which has to stay where it is. There `git pull` brings news of them.\n"
    );
    let text = format!("{before}{own}\n### {after}");
    let text = text.replace("    cd workshop\n", "").replace("](../", &format!("]({clone}/"));
    Ok(text
        .replace("`../", &format!("`{clone}/"))
        .replace("`workshop/", &format!("`{clone}/workshop/")))
}
