//! Draws the book's pictures, and compares them with those in `book/pictures`.
//!
//! With `BOOK_UPDATE` set it writes them, as `cargo book draw` does.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use mdbook_stages::console::escape;
use mdbook_stages::picture::{self, DIRECTORY, drawings, recordings};
use regex::Regex;
use svgbob::Settings;

#[test]
fn the_pictures_are_those_of_the_drawings() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut wanted = BTreeMap::new();
    for (path, chapter) in files(&book.join("src"), "md") {
        for (number, drawing) in (1..).zip(drawings(&chapter)) {
            let name = format!("{path}-{number}");
            let svg = draw(drawing, &name);
            wanted.insert(name, picture::file(&svg, drawing));
        }
        for (number, block) in (1..).zip(recordings(&chapter).unwrap()) {
            wanted.insert(format!("{path}-terminal-{number}"), picture::terminal(&block));
        }
    }
    assert!(wanted.len() > 10, "only {} drawings", wanted.len());
    let directory = book.join(DIRECTORY);
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

/// Returns an ASCII drawing as an SVG without styles. Its ids are `own`.
fn draw(drawing: &str, own: &str) -> String {
    let settings =
        Settings { include_styles: false, include_backdrop: false, ..Settings::default() };
    let (lines, words) = without_words(drawing);
    let svg = svgbob::to_svg_with_settings(&lines, &settings);
    let svg = svg.replacen("</svg>", &format!("{words}</svg>"), 1);
    let size = |name: &str| {
        let value = svg.split_once(&format!(" {name}=\"")).unwrap().1.split_once('"').unwrap().0;
        value.parse::<f32>().unwrap()
    };
    let (width, height) = (size("width"), size("height"));
    let mut svg = svg.replacen(
        "class=\"svgbob\"",
        &format!(
            "class=\"svgbob\" viewBox=\"0 0 {width} {height}\" style=\"min-width:{}px\"",
            (width * SMALLEST).min(PHONE)
        ),
        1,
    );
    // The library names its markers the same in every picture, and the class of a line is its marker's name.
    for marker in ["arrow", "diamond", "circle", "open_circle", "big_open_circle"] {
        svg = svg.replace(&format!("id=\"{marker}\""), &format!("id=\"{marker}-{own}\""));
        for end in ["start", "end"] {
            svg = mark(
                &svg,
                &format!("{end}_marked_{marker}"),
                &format!(" marker-{end}=\"url(#{marker}-{own})\""),
            );
        }
    }
    svg
}

/// A word: two letters or digits in a row, and what is around them but for lines and corners.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:[^\s|+<>*-]|-[^\s|+<>*-])*[\p{L}\p{N}]{2}(?:[^\s|+<>*-]|-[^\s|+<>*-])*")
        .expect("a good expression")
});

/// A picture is made smaller down to this part of its size, or to the room that a page has on a telephone, and then scrolled.
const SMALLEST: f32 = 0.75;
const PHONE: f32 = 335.0;

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

#[test]
fn words_are_left_as_they_are() {
    let svg = draw("+---------------+\n| clone /bin/sh |\n+---------------+\n", "one");
    assert!(svg.contains(">/bin/sh</text>"), "{svg}");
}

#[test]
fn the_end_of_a_line_has_an_id_of_its_own() {
    let svg = draw("*-----o\n", "one");
    for part in ["id=\"circle-one\"", " marker-end=\"url(#circle-one)\"", "viewBox=\"0 0 "] {
        assert!(svg.contains(part), "{part} in {svg}");
    }
}
