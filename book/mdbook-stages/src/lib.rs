//! The book's machine: what a chapter shows comes from the code, or is run.
//!
//! - [`preprocessor`] is what mdBook calls;
//! - [`stages`], [`difference`], [`source`] and [`listing`] make listings of the stages' code;
//! - [`calls`] knows the system calls in them, and which of these the text speaks of;
//! - [`console`] knows the blocks that readers type, which the test `console` runs;
//! - [`picture`] and [`man`] draw pictures and link man pages;
//! - [`words`] are what they add to the text.

pub mod calls;
pub mod console;
pub mod difference;
pub mod listing;
pub mod man;
pub mod picture;
pub mod preprocessor;
pub mod source;
pub mod stages;
pub mod words;

use std::path::{Path, PathBuf};

use anyhow::Result;
use mdbook_driver::MDBook;

use preprocessor::Preparation;

/// Loads a book, with this preprocessor in this process, in the place of the program that book.toml names.
pub fn load(book: &Path) -> Result<MDBook> {
    let mut loaded = MDBook::load(book)?;
    loaded.with_preprocessor(Preparation);
    Ok(loaded)
}

/// Builds a book, and returns the page to begin with.
pub fn build(book: &Path) -> Result<PathBuf> {
    let book = load(book)?;
    book.build()?;
    Ok(book.build_dir_for("html").join("index.html"))
}
