//! Pictures from text: of ASCII drawings, and of terminals.

use aasvg::RenderOptions;
use anyhow::{Context, Result, ensure};

use crate::console::{Block, Input, blocks, escape};

/// Returns the picture of an ASCII drawing, as HTML. What is in it is styled by the book's style sheet.
///
/// - `alt`: what the picture shows, in a sentence.
pub fn html(alt: &str, drawing: &str) -> Result<String> {
    ensure!(!alt.is_empty(), "a picture has words for those who don't see it: ```drawing WORDS");
    let svg = aasvg::render_with_options(drawing, &RenderOptions::new().with_stretch(true));
    // The library's own style would be the whole page's.
    let (tag, rest) = svg.split_once("<style>").context("a picture without a style")?;
    let (_, lines) = rest.split_once("</style>\n").context("a style without an end")?;
    let words = format!("<svg role=\"img\" aria-label=\"{}\" ", escape(alt));
    let tag = tag.replacen("<svg ", &words, 1);
    Ok(format!("<figure class=\"picture\">\n{tag}{lines}\n</figure>\n"))
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
    let mut content = String::new();
    let (mut row, mut longest) = (0, 0);
    for (number, step) in block.steps.iter().enumerate() {
        let mut lines = Vec::new();
        if let Input::Command { prompt, lines: typed } = &step.input {
            for (number, line) in typed.iter().enumerate() {
                let prompt = if number == 0 { *prompt } else { '>' };
                longest = longest.max(line.chars().count() + 2);
                lines.push(format!(
                    "<tspan class=\"prompt\">{} </tspan><tspan class=\"typed\">{}</tspan>",
                    escape(&prompt.to_string()),
                    escape(line)
                ));
            }
        }
        for line in &step.output {
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
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         {TERMINAL}<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n\
         {buttons}{content}</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_an_svg_with_words() {
        let html = html("A \"line\".", "+-->\n\n\"a\"\n").unwrap();
        let start =
            "<figure class=\"picture\">\n<svg role=\"img\" aria-label=\"A &quot;line&quot;.\" ";
        assert!(html.starts_with(start), "{html}");
        assert!(html.ends_with("</svg>\n</figure>\n"), "{html}");
        assert_eq!(html.matches("<polygon ").count(), 1, "{html}");
        assert!(html.contains(">&quot;a&quot;</text>"), "{html}");
        // Markdown's HTML ends there.
        assert!(!html.contains("\n\n"), "{html}");
        assert!(!html.contains("<style>"), "{html}");
    }

    #[test]
    fn words_are_left_as_they_are() {
        let html =
            html("A box.", "+---------------+\n| clone /bin/sh |\n+---------------+\n").unwrap();
        assert!(html.contains(">clone /bin/sh</text>"), "{html}");
    }

    #[test]
    fn a_picture_without_words_is_refused() {
        assert!(html("", "+-->\n").is_err());
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
}
