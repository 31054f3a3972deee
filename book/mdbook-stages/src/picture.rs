//! Pictures from text.

use std::fmt::Write;
use std::sync::LazyLock;

use anyhow::{Result, ensure};
use regex::Regex;
use svgbob::Settings;

use crate::console::escape;

/// Returns an ASCII drawing as an SVG in the colour of the text. Its styles are in the book's style sheet.
///
/// - `alt`: what the picture shows, in a sentence.
/// - `number`: of the picture in its chapter, for ids that are its own.
pub fn html(alt: &str, drawing: &str, number: usize) -> Result<String> {
    ensure!(!alt.is_empty(), "a picture has words for those who don't see it: ```bob WORDS");
    let settings =
        Settings { include_styles: false, include_backdrop: false, ..Settings::default() };
    let (lines, words) = without_words(drawing);
    let svg = svgbob::to_svg_with_settings(&lines, &settings);
    let svg = svg.replacen("</svg>", &format!("{words}</svg>"), 1);
    let size = |name: &str| {
        let value = svg.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0;
        value.parse::<f32>().ok()
    };
    let (width, height) = size("width").zip(size("height")).unwrap_or((0.0, 0.0));
    // The library names its markers the same in every picture, and the class of a line is its marker's name.
    let own = |name: &str| format!("{name}-{number}");
    let mut svg = svg.replacen(
        "class=\"svgbob\"",
        &format!(
            "class=\"svgbob\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\" \
             style=\"min-width:{}px\"",
            escape(alt),
            width * SMALLEST
        ),
        1,
    );
    for marker in ["arrow", "diamond", "circle", "open_circle", "big_open_circle"] {
        svg = svg.replace(&format!("id=\"{marker}\""), &format!("id=\"{}\"", own(marker)));
        for end in ["start", "end"] {
            svg = mark(
                &svg,
                &format!("{end}_marked_{marker}"),
                &format!(" marker-{end}=\"url(#{})\"", own(marker)),
            );
        }
    }
    // An empty line would end the HTML for Markdown.
    let lines: Vec<&str> = svg.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(format!("<figure class=\"picture\">\n{}\n</figure>\n", lines.join("\n")))
}

/// A word: two letters or digits in a row, and what is around them but for lines and corners.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:[^\s|+<>*-]|-[^\s|+<>*-])*[\p{L}\p{N}]{2}(?:[^\s|+<>*-]|-[^\s|+<>*-])*")
        .expect("a good expression")
});

/// A picture is made smaller down to this part of its size, and then scrolled.
const SMALLEST: f32 = 0.75;

/// Width and height of a character, as the library has them.
const CELL: (usize, usize) = (8, 16);

/// Takes the words out of a drawing, for which the library would take parentheses for arcs and slashes for
/// lines. Returns the rest, and the words as elements.
fn without_words(drawing: &str) -> (String, String) {
    let (mut lines, mut words) = (String::new(), String::new());
    for (row, line) in drawing.lines().enumerate() {
        let mut rest = String::new();
        let mut end = 0;
        for word in WORD.find_iter(line) {
            rest.push_str(&line[end..word.start()]);
            let (column, length) = (rest.chars().count(), word.as_str().chars().count());
            let (x, y) = (column * CELL.0, row * CELL.1 + 12);
            let width = length * CELL.0;
            let text = escape(word.as_str());
            let _ = writeln!(
                words,
                "<text x=\"{x}\" y=\"{y}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\">{text}</text>"
            );
            rest.push_str(&" ".repeat(length));
            end = word.end();
        }
        rest.push_str(&line[end..]);
        lines.push_str(&rest);
        lines.push('\n');
    }
    (lines, words)
}

/// Adds an attribute to each element that has this class.
fn mark(svg: &str, class: &str, attribute: &str) -> String {
    let mut marked = String::new();
    for (number, part) in svg.split("class=\"").enumerate() {
        if number > 0 {
            marked.push_str("class=\"");
        }
        match part.split_once('"') {
            Some((classes, rest)) if number > 0 && classes.split(' ').any(|name| name == class) => {
                marked.push_str(&format!("{classes}\"{attribute}{rest}"));
            }
            _ => marked.push_str(part),
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_an_svg_with_words() {
        let html =
            html("One \"points\" to two.", "+---+    +---+\n| a |--->| b |\n+---+    +---+\n", 7)
                .unwrap();
        for part in ["role=\"img\"", "aria-label=\"One &quot;points&quot; to two.\"", "viewBox"] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("\n\n") && !html.contains("<style"), "{html}");
    }

    #[test]
    fn words_are_left_as_they_are() {
        let html =
            html("A box.", "+---------------+\n| clone /bin/sh |\n+---------------+\n", 1).unwrap();
        assert!(html.contains(">/bin/sh</text>"), "{html}");
    }

    #[test]
    fn a_picture_without_words_is_refused() {
        assert!(html("", "+--+\n", 1).is_err());
    }
}
