//! The preprocessor: Markdown in, Markdown out, and an error where the text would lie.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Error, Result, bail};
use mdbook_markdown::pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Tag, TagEnd};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};
use mdbook_preprocessor::book::{Book, BookItem, Chapter};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};

use crate::console::{Block, body};
use crate::picture;
use crate::stages::Stages;
use crate::words::Words;
use crate::{calls, listing, man};

/// The preprocessor `stages`.
pub struct Preparation;

/// The name that book.toml has for it.
pub const NAME: &str = "stages";

impl Preprocessor for Preparation {
    fn name(&self) -> &str {
        NAME
    }

    fn run(&self, context: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let workspace: Option<String> = context.config.get("preprocessor.stages.workspace")?;
        let root = context.root.join(workspace.as_deref().unwrap_or(".."));
        let language = context.config.book.language.as_deref().unwrap_or("en");
        let words = context.config.get(&format!("preprocessor.stages.words.{language}"))?;
        let mut work = Work {
            stages: Stages::find(&root)?,
            words: words.unwrap_or_default(),
            problems: Vec::new(),
        };
        let mut chapters = BTreeSet::new();
        book.for_each_mut(|item| {
            if let BookItem::Chapter(chapter) = item
                && let Some(path) = &chapter.path
            {
                chapters.insert(path.clone());
                work.chapter(chapter);
            }
        });
        let with_chapter =
            |stage: &str| chapters.contains(std::path::Path::new(&format!("{stage}.md")));
        work.problems.extend(work.stages.problems(with_chapter)?);
        if !work.problems.is_empty() {
            bail!("the book and the code differ:\n  {}", work.problems.join("\n  "));
        }
        Ok(book)
    }
}

struct Work {
    stages: Stages,
    words: Words,
    problems: Vec<String>,
}

/// A part of a chapter, and what takes its place.
type Edit = (Range<usize>, String);

impl Work {
    fn chapter(&mut self, chapter: &mut Chapter) {
        let path = chapter.source_path.as_ref().or(chapter.path.as_ref());
        let name = path.map(|path| path.display().to_string()).unwrap_or_default();
        let mut edits = Vec::new();
        let is_stage = path
            .and_then(|path| path.file_stem()?.to_str())
            .is_some_and(|stem| self.stages.has(stem));
        let mut reader = Reader { work: self, name, text: &chapter.content, edits: &mut edits };
        reader.read();
        if is_stage {
            reader.calls();
        }
        // From the end on, so that what is before stays where it is.
        for (range, text) in edits.into_iter().rev() {
            chapter.content.replace_range(range, &text);
        }
    }
}

/// Goes through a chapter.
struct Reader<'a> {
    work: &'a mut Work,
    name: String,
    text: &'a str,
    edits: &'a mut Vec<Edit>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let options = MarkdownOptions::default();
        let text = self.text;
        // Text that comes in several pieces, and is one in the source.
        let mut run: Option<Range<usize>> = None;
        let mut quiet = 0;
        let mut ids = BTreeSet::new();
        for (event, range) in new_cmark_parser(text, &options).into_offset_iter() {
            match (&event, &mut run) {
                (Event::Text(_), Some(run)) if run.end == range.start => run.end = range.end,
                (Event::Text(_), _) if quiet == 0 => {
                    self.link(run.replace(range.clone()));
                }
                _ => self.link(run.take()),
            }
            match event {
                Event::Start(Tag::Heading { level, id, .. }) => {
                    quiet += 1;
                    self.heading(level, id.as_deref(), &mut ids, range);
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    quiet += 1;
                    self.code_block(kind, range);
                }
                Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::HtmlBlock) => quiet += 1,
                Event::End(
                    TagEnd::Heading(_)
                    | TagEnd::CodeBlock
                    | TagEnd::Link
                    | TagEnd::Image
                    | TagEnd::HtmlBlock,
                ) => quiet -= 1,
                // A page that is set as code is a page all the same.
                Event::Code(code) if quiet == 0 => self.link_code(&code, range),
                Event::Start(Tag::Paragraph) if text[range.clone()].starts_with("{{#") => {
                    self.directives(range);
                }
                _ => {}
            }
        }
        self.link(run);
        self.edits.sort_by_key(|(range, _)| range.start);
    }

    fn problem(&mut self, at: usize, error: &Error) {
        let line = self.text[..at].matches('\n').count() + 1;
        self.work.problems.push(format!("{}:{line}: {error:#}", self.name));
    }

    fn heading(
        &mut self,
        level: HeadingLevel,
        id: Option<&str>,
        ids: &mut BTreeSet<String>,
        range: Range<usize>,
    ) {
        let wanted = level != HeadingLevel::H1;
        let error = match id {
            None if wanted => "a heading without an id: `## Title {#id}`",
            Some(_) if !wanted => "the chapter's title has no id",
            Some(id) if !ids.insert(id.to_owned()) => "two headings with the same id",
            _ => return,
        };
        self.problem(range.start, &Error::msg(error));
    }

    fn code_block(&mut self, kind: CodeBlockKind, range: Range<usize>) {
        let CodeBlockKind::Fenced(info) = kind else { return };
        let text = body(&self.text[range.clone()]);
        let html = match info.split_once(' ').unwrap_or((&info, "")) {
            ("console", _) => Block::parse(&info, text, 0)
                .map(|block| block.map(|block| block.html(&self.work.words)).unwrap_or_default()),
            ("drawing", alt) => picture::html(alt.trim(), text),
            _ => return,
        };
        match html {
            Ok(html) => self.edits.push((range, html)),
            Err(error) => self.problem(range.start, &error),
        }
    }

    /// Looks for calls that the text does not speak of.
    fn calls(&mut self) {
        // A block that is none is told where it is read.
        for (at, what) in calls::unexplained(self.text).unwrap_or_default() {
            let error = format!("no sentence of this section speaks of `{what}`");
            self.problem(at, &Error::msg(error));
        }
    }

    /// Expands a paragraph whose lines are directives.
    fn directives(&mut self, range: Range<usize>) {
        let mut expanded = String::new();
        for line in self.text[range.clone()].lines() {
            let (stages, words) = (&mut self.work.stages, &self.work.words);
            match listing::expand(line.trim(), &self.name, stages, words) {
                Ok(text) => expanded.push_str(&format!("{text}\n")),
                Err(error) => self.problem(range.start, &error),
            }
        }
        self.edits.push((range, expanded));
    }

    /// Links a man page that is written as code, and nothing else.
    fn link_code(&mut self, code: &str, range: Range<usize>) {
        if let Some(address) = man::address(code) {
            let link = format!("[{}]({address})", &self.text[range.clone()]);
            self.edits.push((range, link));
        }
    }

    /// Links the man pages that a piece of text names.
    fn link(&mut self, run: Option<Range<usize>>) {
        let Some(run) = run else { return };
        if self.text[run.clone()].starts_with("{{#") {
            return;
        }
        for (place, link) in man::links(&self.text[run.clone()]) {
            self.edits.push((run.start + place.start..run.start + place.end, link));
        }
    }
}
