//! A source file and its items: which line belongs to which function, struct, table.

use anyhow::{Context, Result};
use syn::spanned::Spanned;
use syn::{ImplItem, Item as Syntax, Type};

/// A file, every line of which that is not blank belongs to one item.
#[derive(Default)]
pub struct Source {
    /// Its lines.
    pub lines: Vec<String>,
    /// Its items, in the order of their first lines.
    pub items: Vec<Item>,
}

/// A part of a file that has a name.
pub struct Item {
    /// What a chapter calls it.
    pub name: String,
    /// Numbers of its lines, from 0, in order.
    pub lines: Vec<usize>,
}

impl Source {
    /// Parses a file. What is neither Rust nor TOML is one item, of the file's name.
    pub fn parse(path: &str, text: &str) -> Result<Source> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let file = path.rsplit('/').next().unwrap_or(path);
        let spans = match path.rsplit('.').next() {
            Some("rs") => rust(text).with_context(|| format!("parse {path}"))?,
            Some("toml") => tables(&lines),
            _ => vec![Span { name: file.to_owned(), start: 0, end: lines.len() }],
        };
        let owners = owners(&lines, &spans);
        let mut items: Vec<Item> = Vec::new();
        for (number, owner) in owners.into_iter().enumerate() {
            let Some(name) = owner else { continue };
            match items.iter_mut().find(|item| item.name == name) {
                Some(item) => item.lines.push(number),
                None => items.push(Item { name, lines: vec![number] }),
            }
        }
        Ok(Source { lines, items })
    }

    /// Returns the item of this name.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }

    /// Returns the names of all items, for an error.
    pub fn names(&self) -> String {
        self.items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Lines `start..end`. Within it there can be others, which come later in the list, and then have theirs.
struct Span {
    name: String,
    start: usize,
    end: usize,
}

/// Finds for each line the name of the item that it belongs to.
fn owners(lines: &[String], spans: &[Span]) -> Vec<Option<String>> {
    let blank = |number: usize| lines[number].trim().is_empty();
    let mut owners: Vec<Option<&Span>> = vec![None; lines.len()];
    for span in spans {
        let mut start = span.start;
        // A comment above an item is about it.
        while start > 0 && is_comment(&lines[start - 1]) {
            start -= 1;
        }
        owners[start..span.end].fill(Some(span));
    }
    // A comment on its own goes to what follows.
    let mut next = spans.last();
    for number in (0..lines.len()).rev() {
        match owners[number] {
            Some(owner) => next = Some(owner),
            None if !blank(number) => owners[number] = next,
            None => {}
        }
    }
    // The blank lines between the methods of an impl belong to none of them.
    let is_within = |number: usize| {
        let neighbour = |n: Option<usize>| n.and_then(|n| owners.get(n).copied().flatten());
        let same = |other: Option<&Span>| {
            other.map(|span| span.start) == owners[number].map(|span| span.start)
        };
        same(neighbour(number.checked_sub(1))) && same(neighbour(Some(number + 1)))
    };
    let kept = (0..lines.len()).filter(|&number| !blank(number) || is_within(number));
    let mut names = vec![None; lines.len()];
    for number in kept {
        names[number] = owners[number].map(|span| span.name.clone());
    }
    names
}

/// Whether a line is a comment, and not one that documents the module.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") && !line.starts_with("//!")
}

/// Finds the items of a Rust file.
fn rust(text: &str) -> Result<Vec<Span>> {
    let file = syn::parse_file(text)?;
    let mut spans = Vec::new();
    for attribute in &file.attrs {
        spans.push(span("//!".into(), attribute));
    }
    for item in &file.items {
        match item {
            Syntax::Impl(block) => {
                let of = type_name(&block.self_ty);
                let of_trait = block.trait_.as_ref().and_then(|(path, _)| path.segments.last());
                let head = of_trait
                    .map_or(format!("impl {of}"), |name| format!("impl {} for {of}", name.ident));
                spans.push(span(head, block));
                for inner in &block.items {
                    let name = match inner {
                        ImplItem::Fn(function) => function.sig.ident.to_string(),
                        ImplItem::Const(constant) => constant.ident.to_string(),
                        ImplItem::Type(alias) => alias.ident.to_string(),
                        _ => continue,
                    };
                    spans.push(span(format!("{of}::{name}"), inner));
                }
            }
            other => spans.push(span(name(other), other)),
        }
    }
    Ok(spans)
}

fn span(name: String, what: &impl Spanned) -> Span {
    let span = what.span();
    Span { name, start: span.start().line - 1, end: span.end().line }
}

/// What a chapter calls an item.
fn name(item: &Syntax) -> String {
    match item {
        Syntax::Const(item) => item.ident.to_string(),
        Syntax::Enum(item) => item.ident.to_string(),
        Syntax::Fn(item) => item.sig.ident.to_string(),
        Syntax::Macro(item) => {
            item.ident.as_ref().map_or("macro".into(), |ident| format!("{ident}!"))
        }
        Syntax::Mod(item) if item.content.is_some() => item.ident.to_string(),
        Syntax::Mod(_) => "mod".into(),
        Syntax::Static(item) => item.ident.to_string(),
        Syntax::Struct(item) => item.ident.to_string(),
        Syntax::Trait(item) => item.ident.to_string(),
        Syntax::Type(item) => item.ident.to_string(),
        Syntax::Union(item) => item.ident.to_string(),
        Syntax::Use(_) | Syntax::ExternCrate(_) => "use".into(),
        _ => "other".into(),
    }
}

fn type_name(of: &Type) -> String {
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        Type::Reference(reference) => Some(type_name(&reference.elem)),
        _ => None,
    }
    .unwrap_or("_".into())
}

/// Finds the tables of a Cargo.toml: each from its header to the next.
fn tables(lines: &[String]) -> Vec<Span> {
    let headers = lines.iter().enumerate().filter(|(_, line)| line.starts_with('['));
    let mut spans: Vec<Span> = headers
        .map(|(start, line)| {
            let name = line.split(" #").next().unwrap_or(line).trim().to_owned();
            Span { name, start, end: lines.len() }
        })
        .collect();
    for next in 1..spans.len() {
        spans[next - 1].end = spans[next].start;
    }
    if spans.first().is_none_or(|first| first.start > 0) {
        let end = spans.first().map_or(lines.len(), |first| first.start);
        spans.insert(0, Span { name: "top".into(), start: 0, end });
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = "//! A program.
//! And more.

mod a;
use b::c;

use d::e;
mod f;

/// Documented.
#[derive(Clone)]
struct Args {
    one: u8,

    two: u8,
}

// About it.
impl Args {
    /// Makes.
    fn new() -> Args {

        Args
    }

    fn old(&self) {}
}

impl From<u8> for Args {
    fn from(_: u8) -> Args {}
}
// The end.
";

    fn lines(source: &Source, name: &str) -> String {
        let item = source.item(name).unwrap_or_else(|| panic!("{name} of {}", source.names()));
        item.lines.iter().map(|number| source.lines[*number].as_str()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn every_line_of_a_rust_file_belongs_to_one_item() {
        let source = Source::parse("main.rs", RUST).unwrap();
        let all =
            "//!, mod, use, Args, impl Args, Args::new, Args::old, impl From for Args, Args::from";
        assert_eq!(source.names(), all);
        assert_eq!(lines(&source, "//!"), "//! A program.|//! And more.");
        assert_eq!(lines(&source, "use"), "use b::c;|use d::e;");
        assert_eq!(lines(&source, "mod"), "mod a;|mod f;");
        assert_eq!(
            lines(&source, "Args"),
            "/// Documented.|#[derive(Clone)]|struct Args {|    one: u8,||    two: u8,|}"
        );
        assert_eq!(lines(&source, "impl Args"), "// About it.|impl Args {|}");
        assert_eq!(
            lines(&source, "Args::new"),
            "    /// Makes.|    fn new() -> Args {||        Args|    }"
        );
        assert_eq!(lines(&source, "impl From for Args"), "impl From<u8> for Args {|}");
        let blank = RUST.lines().filter(|line| line.is_empty()).count() - 2;
        let owned: usize = source.items.iter().map(|item| item.lines.len()).sum();
        assert_eq!(owned + blank, RUST.lines().count());
    }

    #[test]
    fn a_manifest_is_its_tables() {
        let text = "[package]\nname = \"a\"\n\n# Why.\n[[test]]\nname = \"b\"\n\n[[test]]\n";
        let source = Source::parse("Cargo.toml", text).unwrap();
        assert_eq!(source.names(), "[package], [[test]]");
        assert_eq!(lines(&source, "[[test]]"), "[[test]]|name = \"b\"|[[test]]");
    }
}
