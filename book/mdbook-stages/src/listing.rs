//! Directives: `{{#diff STAGE FILE: ITEMS}}` and `{{#code PATH: ITEMS}}`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use crate::console::escape;
use crate::stages::Stages;
use crate::words::Words;

/// Returns what takes the place of a directive, which is all of a line.
pub fn expand(
    directive: &str,
    chapter: &str,
    stages: &mut Stages,
    words: &Words,
) -> Result<String> {
    let inner = directive.strip_prefix("{{#").and_then(|rest| rest.strip_suffix("}}"));
    let inner = inner.context("a directive takes the whole of a line")?;
    let (name, arguments) = inner.split_once(' ').unwrap_or((inner, ""));
    let (what, items) = match arguments.split_once(": ") {
        Some((what, items)) => (what.trim(), split(items)),
        None => (arguments.trim(), Vec::new()),
    };
    match name {
        "diff" => {
            let (stage, file) = what.split_once(' ').context("{{#diff STAGE FILE: ITEM, ...}}")?;
            diff(chapter, stage, file.trim(), &items, stages, words)
        }
        "code" => code(what, &items, stages, words),
        _ => anyhow::bail!("no such directive, or no such file: {directive}"),
    }
}

/// Splits a list of items at its commas, but not at those of type parameters.
fn split(items: &str) -> Vec<&str> {
    let mut depth = 0;
    let separated = items.split(move |character| {
        depth += i32::from(character == '<') - i32::from(character == '>');
        character == ',' && depth == 0
    });
    separated.map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn diff(
    chapter: &str,
    stage: &str,
    file: &str,
    items: &[&str],
    stages: &mut Stages,
    words: &Words,
) -> Result<String> {
    let difference = stages.difference(stage, file)?;
    let changed = difference.changed();
    let changes = Vec::from_iter(changed.iter().copied()).join(", ");
    for item in items {
        ensure!(
            changed.contains(item),
            "nothing changes in {item} of {stage}/{file}, but in {changes}"
        );
    }
    ensure!(!changed.is_empty(), "nothing changes in {stage}/{file}");
    let wanted =
        if items.is_empty() { changed } else { BTreeSet::from_iter(items.iter().copied()) };
    for item in &wanted {
        stages.note(chapter, stage, file, item);
    }
    let language = if difference.is_new { highlighted(file) } else { "diff" };
    let caption = caption(file, items, words);
    Ok(figure("listing", &caption, &fenced(language, &difference.show(&wanted))))
}

fn code(path: &str, items: &[&str], stages: &Stages, words: &Words) -> Result<String> {
    let language = highlighted(path);
    if items.is_empty() {
        let summary = format!("{}<code>{}</code>", escape(&words.whole), escape(path));
        let text = fenced(language, &stages.read(path)?);
        return Ok(format!(
            "<details class=\"whole\">\n<summary>{summary}</summary>\n\n{text}\n</details>\n"
        ));
    }
    let source = stages.source(path)?;
    let mut parts = Vec::new();
    for item in items {
        let found = source.item(item);
        let found =
            found.with_context(|| format!("no {item} in {path}, but {}", source.names()))?;
        let lines: Vec<&str> =
            found.lines.iter().map(|number| source.lines[*number].as_str()).collect();
        parts.push(without_indent(&lines));
    }
    let caption = caption(path, items, words);
    Ok(figure("listing", &caption, &fenced(language, &parts.join("\n"))))
}

/// Takes away the indentation that all lines have.
fn without_indent(lines: &[&str]) -> String {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let filled = lines.iter().filter(|line| !line.is_empty());
    let common = filled.map(indent).min().unwrap_or(0);
    lines.iter().map(|line| format!("{}\n", line.get(common..).unwrap_or_default())).collect()
}

/// The language for the highlighter. mdBook shall neither offer to run Rust nor hide lines of it.
fn highlighted(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("rs") => "rust,ignore,noplayground",
        Some("toml") => "toml",
        Some("sh") => "bash",
        _ => "text",
    }
}

fn caption(file: &str, items: &[&str], words: &Words) -> String {
    let mut caption = format!("<code>{}</code>", escape(file));
    for (number, item) in items.iter().enumerate() {
        let before = if number == 0 { &words.within } else { &words.comma };
        caption.push_str(&format!("{}<code>{}</code>", escape(before), escape(item)));
    }
    caption
}

fn figure(class: &str, caption: &str, content: &str) -> String {
    format!(
        "<figure class=\"{class}\">\n<figcaption>{caption}</figcaption>\n\n{content}\n</figure>\n"
    )
}

/// A fenced block, with a fence longer than any in the text.
fn fenced(language: &str, text: &str) -> String {
    let mut fence = String::from("```");
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}{language}\n{text}{fence}\n")
}
