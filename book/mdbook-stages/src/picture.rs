//! Pictures from text.
//!
//! Drawings in the chapters are ASCII. Their SVGs are in the directory [`DIRECTORY`], drawn by the test `pictures`: what
//! draws them is as much to compile as all the rest of this program, and a reader of the book needs none of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::console::{Block, Input, blocks, body, escape, fenced};

/// Where a book has the files of its pictures, beside its chapters.
pub const DIRECTORY: &str = "pictures";

/// Around the drawing, in a picture's file.
const DRAWING: (&str, &str) = ("<metadata>\n", "</metadata>\n");

/// The style of a picture that is opened alone, or shown by a forge: in a colour that can be read there, on light and on dark.
/// In the book the style sheet sets the colour of the text around it.
const STYLE: &str = "  <style>
    svg.svgbob { color: #24292f; }
    @media (prefers-color-scheme: dark) { svg.svgbob { color: #d1d9e0; } }
    svg.svgbob :is(line, path, circle, rect, polygon) { stroke: currentColor; stroke-width: 1.5; stroke-linecap: round; fill: none; }
    svg.svgbob text { fill: currentColor; stroke: none; white-space: pre; font: 14px monospace; }
    svg.svgbob .broken { stroke-dasharray: 8; }
    svg.svgbob :is(.filled, marker polygon) { fill: currentColor; }
    svg.svgbob :is(.bg_filled, .nofill) { fill: none; }
  </style>
";

/// The pictures of a book, by their drawings.
#[derive(Default)]
pub struct Pictures(BTreeMap<String, String>);

impl Pictures {
    /// Reads the pictures of the book in this directory. A book may have none.
    pub fn read(book: &Path) -> Result<Pictures> {
        let directory = book.join(DIRECTORY);
        let mut pictures = Pictures::default();
        if !directory.exists() {
            return Ok(pictures);
        }
        for entry in fs::read_dir(&directory).context("look for pictures")? {
            let path = entry.context("look for pictures")?.path();
            let file = fs::read_to_string(&path)
                .with_context(|| format!("read the picture {}", path.display()))?;
            let parts = file.split_once(DRAWING.0).and_then(|(start, rest)| {
                let (drawing, end) = rest.split_once(DRAWING.1)?;
                Some((drawing.to_owned(), format!("{start}{end}")))
            });
            let not = || format!("{} is no picture of `cargo book draw`", path.display());
            pictures.0.extend([parts.with_context(not)?]);
        }
        Ok(pictures)
    }

    /// Returns the picture of a drawing, in the colour of the text around it.
    ///
    /// - `alt`: what the picture shows, in a sentence.
    pub fn html(&self, alt: &str, drawing: &str) -> Result<String> {
        ensure!(!alt.is_empty(), "a picture has words for those who don't see it: ```bob WORDS");
        let svg = self.0.get(&escape(drawing));
        let svg = svg.context("there is no picture of this drawing yet: cargo book draw")?;
        let words = format!("<svg role=\"img\" aria-label=\"{}\" ", escape(alt));
        Ok(format!("<figure class=\"picture\">\n{}</figure>\n", svg.replacen("<svg ", &words, 1)))
    }
}

/// Returns the text of a picture's file: the picture, its style, and in it the drawing that it was made from.
pub fn file(svg: &str, drawing: &str) -> String {
    let (start, end) = DRAWING;
    // An empty line would end the HTML for Markdown.
    let lines: Vec<&str> = svg.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut svg = lines.join("\n") + "\n";
    // After the first tag, which is all of the first line.
    let start_of_content = svg.find(">\n").map_or(svg.len(), |end| end + 2);
    svg.insert_str(start_of_content, STYLE);
    svg.replacen("</svg>", &format!("{start}{}{end}</svg>", escape(drawing)), 1)
}

/// Returns the drawings of a chapter.
pub fn drawings(chapter: &str) -> Vec<&str> {
    let blocks = fenced(chapter).into_iter();
    let drawings = blocks.filter(|(info, _)| info.split(' ').next() == Some("bob"));
    drawings.map(|(_, range)| body(&chapter[range])).collect()
}

/// Width and height of a character in the picture of a terminal, and what is around the text.
const CELL: (f32, usize) = (8.4, 20);
const MARGIN: usize = 16;

/// Seconds between two commands.
const PAUSE: f32 = 1.6;

/// A terminal is dark, whatever is around it. Where nothing moves, all lines are there.
const TERMINAL: &str = "<style>
    text { font: 14px ui-monospace, monospace; fill: #d1d9e0; white-space: pre }
    .prompt { fill: #7ee787 }
    .typed { fill: #ffffff; font-weight: bold }
    @keyframes wait { from, to { visibility: hidden } }
    @media (prefers-reduced-motion: no-preference) { g { animation-name: wait } }
</style>
";

/// Returns the console blocks of a chapter that are drawn.
pub fn recordings(chapter: &str) -> Result<Vec<Block>> {
    Ok(blocks(chapter)?.into_iter().filter(|block| block.drawn).collect())
}

/// Returns the text of a file with the picture of a terminal, in which all of a block has been typed. Each command
/// comes a moment after the one before.
pub fn terminal(block: &Block) -> String {
    let (mut content, mut drawing) = (String::new(), String::new());
    let (mut row, mut longest) = (0, 0);
    for (number, step) in block.steps.iter().enumerate() {
        let mut lines = Vec::new();
        if let Input::Command { prompt, lines: typed } = &step.input {
            for (number, line) in typed.iter().enumerate() {
                let prompt = if number == 0 { *prompt } else { '>' };
                drawing.push_str(&format!("{prompt} {line}\n"));
                longest = longest.max(line.chars().count() + 2);
                lines.push(format!(
                    "<tspan class=\"prompt\">{} </tspan><tspan class=\"typed\">{}</tspan>",
                    escape(&prompt.to_string()),
                    escape(line)
                ));
            }
        }
        for line in &step.output {
            drawing.push_str(&format!("{line}\n"));
            longest = longest.max(line.chars().count());
            lines.push(escape(line));
        }
        content
            .push_str(&format!("<g style=\"animation-duration: {}s\">\n", number as f32 * PAUSE));
        for line in lines {
            let y = 2 * MARGIN + CELL.1 + row * CELL.1;
            content.push_str(&format!("<text x=\"{MARGIN}\" y=\"{y}\">{line}</text>\n"));
            row += 1;
        }
        content.push_str("</g>\n");
    }
    let width = (longest as f32 * CELL.0) as usize + 2 * MARGIN;
    let height = 3 * MARGIN + row * CELL.1 + 4;
    let buttons: String = ["#ff7b72", "#e3b341", "#7ee787"]
        .iter()
        .zip([16, 34, 52])
        .map(|(colour, x)| format!("<circle cx=\"{x}\" cy=\"16\" r=\"5\" fill=\"{colour}\"/>\n"))
        .collect();
    let (start, end) = DRAWING;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         {TERMINAL}<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n\
         {buttons}{content}{start}{}{end}</svg>\n",
        escape(&drawing)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWING: &str = "+-->\n\n\"a\"\n";

    fn pictures() -> Pictures {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(super::DIRECTORY)).unwrap();
        let picture = file("<svg width=\"8\">\n\n<g/></svg>", DRAWING);
        assert!(picture.contains(STYLE), "{picture}");
        fs::write(directory.path().join("pictures/one.svg"), picture).unwrap();
        Pictures::read(directory.path()).unwrap()
    }

    #[test]
    fn a_picture_is_an_svg_with_words() {
        assert_eq!(
            pictures().html("A \"line\".", DRAWING).unwrap(),
            format!(
                "<figure class=\"picture\">\n\
                 <svg role=\"img\" aria-label=\"A &quot;line&quot;.\" width=\"8\">\n{STYLE}<g/></svg>\n\
                 </figure>\n"
            )
        );
    }

    #[test]
    fn a_picture_without_words_is_refused() {
        assert!(pictures().html("", DRAWING).is_err());
    }

    #[test]
    fn a_drawing_that_was_changed_has_no_picture() {
        let error = pictures().html("A line.", "+--->\n\n\"a\"\n").unwrap_err();
        assert!(error.to_string().contains("cargo book draw"), "{error}");
    }

    #[test]
    fn a_terminal_shows_what_is_typed_and_what_comes() {
        let chapter = "```console\n$ true\n```\n\n```console drawn\n$ echo a \\\n> '<b>'\na <b>\n# exit\n```\n";
        let blocks = recordings(chapter).unwrap();
        assert_eq!(blocks.len(), 1);
        let svg = terminal(&blocks[0]);
        for part in [
            "<tspan class=\"prompt\">$ </tspan><tspan class=\"typed\">echo a \\</tspan>",
            "<tspan class=\"prompt\">&gt; </tspan><tspan class=\"typed\">'&lt;b&gt;'</tspan>",
            ">a &lt;b&gt;</text>",
            "<tspan class=\"prompt\"># </tspan><tspan class=\"typed\">exit</tspan>",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert_eq!(svg.matches("<g ").count(), 2, "{svg}");
    }

    #[test]
    fn drawings_are_found() {
        let chapter = "```bob A line.\n+--\n```\n\n```console\n$ true\n```\n\n```bob x\n-\n```\n";
        assert_eq!(drawings(chapter), ["+--\n", "-\n"]);
    }
}
