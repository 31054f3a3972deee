//! Where a learner is sent to read: sections of the book, and pages of the manual.

use std::fs;

/// Says where to read: chapters of the book, as in `book/src/04-mount.md#diff`, and pages of the manual. Where the text of a
/// section leaves the code to the pages that are made of it, it says where those are.
pub fn say(read: &str) -> String {
    let mut said = format!("Read {read}");
    for (chapter, id) in references(read).filter(|(chapter, id)| leaves_code_out(chapter, id)) {
        said += &format!(
            "\n(with its code in target/book/{chapter}.html#{id}, which `cargo book` makes)"
        );
    }
    said
}

/// The sections of the book that a text names, each as the chapter's name and the section's id.
pub fn references(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("book/src/").skip(1).filter_map(|rest| {
        let (chapter, rest) = rest.split_once(".md#")?;
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        Some((chapter, &rest[..end.unwrap_or(rest.len())]))
    })
}

/// Returns the text of a section of the book, as it is written: from its heading to the next one that is no lower; nothing if there is none.
pub fn section(chapter: &str, id: &str) -> Option<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../book/src/");
    let page = fs::read_to_string(format!("{file}{chapter}.md")).ok()?;
    let level = |line: &str| line.bytes().take_while(|byte| *byte == b'#').count();
    let mut lines = page.lines();
    let heading = lines.find(|line| level(line) > 0 && line.ends_with(&format!("{{#{id}}}")))?;
    let mut in_code = false;
    let section = lines.take_while(|line| {
        in_code ^= line.trim_start().starts_with("```");
        in_code || level(line) == 0 || level(line) > level(heading)
    });
    Some(section.map(|line| format!("{line}\n")).collect())
}

/// Whether the text of a section has placeholders where its page has code.
pub fn leaves_code_out(chapter: &str, id: &str) -> bool {
    section(chapter, id).is_some_and(|text| text.contains("{{#"))
}
