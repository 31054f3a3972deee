//! Draws the terminals of the book, and compares them with those in `book/pictures`.
//!
//! With `BOOK_UPDATE` set it writes them, as `cargo book draw` does.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use mdbook_stages::picture::{recordings, terminal};

#[test]
fn a_drawn_terminal_has_what_its_console_block_has() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut wanted = BTreeMap::new();
    for (path, chapter) in files(&book.join("src"), "md") {
        for (number, block) in (1..).zip(recordings(&chapter).unwrap()) {
            wanted.insert(format!("{path}-terminal-{number}"), terminal(&block));
        }
    }
    assert!(!wanted.is_empty(), "no console block is drawn");
    let directory = book.join("pictures");
    if env::var_os("BOOK_UPDATE").is_some() {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        for (name, picture) in &wanted {
            fs::write(directory.join(format!("{name}.svg")), picture).unwrap();
        }
    }
    let have = files(&directory, "svg");
    assert!(have.keys().eq(wanted.keys()), "cargo book draw: {:?}", have.keys());
    for (name, picture) in wanted {
        assert!(have[&name] == picture, "cargo book draw: {name}.svg is another picture");
    }
}

/// Reads the files with this extension, also in directories below, by their paths with `-` for `/`.
fn files(directory: &Path, extension: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            let below = files(&path, extension).into_iter();
            found.extend(below.map(|(below, text)| (format!("{name}-{below}"), text)));
        } else if path.extension().is_some_and(|its| its == extension) {
            found.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
        }
    }
    found
}
