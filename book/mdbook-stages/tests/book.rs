//! Builds books: small ones, of two stages, in which something is wrong, and the one that is beside this package.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use mdbook_driver::MDBook;
use mdbook_i18n_helpers::preprocessors::Gettext;
use mdbook_stages::stages::Stages;
use mdbook_stages::{calls, load};
use scraper::{Html, Selector};
use tempfile::TempDir;

const ONE: &str = "//! One.

/// Says it.
fn say() {
    println!(\"one\");
}
";

const TWO: &str = "//! Two.

/// Says it.
fn say() {
    println!(\"two\");
}

/// Is new.
fn more() {}
";

const CHAPTER_ONE: &str = "# One

{{#diff 01-one src/main.rs}}

{{#diff 01-one Cargo.toml}}
";

const CHAPTER_TWO: &str = "# Two

The head.

{{#diff 02-two src/main.rs: //!}}

## The rest {#rest}

It says something else.

{{#diff 02-two src/main.rs: say, more}}

{{#diff 02-two Cargo.toml}}

{{#code 02-two/src/main.rs}}
";

const BOOK: &str = "[preprocessor.stages]
command = \"false\"

[output.html]
input-404 = \"\"
";

/// A workspace with two stages and their book.
struct Fixture(TempDir);

impl Fixture {
    fn new() -> Fixture {
        let fixture = Fixture(tempfile::tempdir().unwrap());
        for (stage, program) in [("01-one", ONE), ("02-two", TWO)] {
            fixture.write(&format!("{stage}/src/main.rs"), program);
            let manifest = format!("[package]\nname = \"{}\"\n\n[dependencies]\n", &stage[3..]);
            fixture.write(&format!("{stage}/Cargo.toml"), &manifest);
        }
        fixture.write("book/book.toml", BOOK);
        fixture.write("book/src/SUMMARY.md", "- [One](01-one.md)\n- [Two](02-two.md)\n");
        fixture.write("book/src/01-one.md", CHAPTER_ONE);
        fixture.write("book/src/02-two.md", CHAPTER_TWO);
        fixture
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn replace(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert!(text.contains(old), "{old:?} is not in {path}");
        self.write(path, &text.replace(old, new));
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap()
    }

    fn load(&self) -> MDBook {
        load(&self.0.path().join("book")).unwrap()
    }

    #[track_caller]
    fn builds(&self) {
        self.load().build().unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// Asserts that the book can't be built, and that the error says all of this.
    #[track_caller]
    fn fails(&self, words: &[&str]) {
        let error = match self.load().build() {
            Ok(()) => panic!("the book is built"),
            Err(error) => format!("{error:#}"),
        };
        for word in words {
            assert!(error.contains(word), "{word:?} is not in {error}");
        }
    }

    /// Returns the text of a page's elements, one a line.
    fn texts(&self, page: &str, selector: &str) -> Vec<String> {
        let html = Html::parse_document(&self.read(&format!("book/book/{page}")));
        let selector = Selector::parse(selector).unwrap();
        let texts = html.select(&selector).map(|element| element.text().collect::<String>());
        texts.map(|text| text.trim_end().to_owned()).collect()
    }
}

#[test]
fn a_chapter_shows_what_changes() {
    let fixture = Fixture::new();
    fixture.builds();
    let diffs = fixture.texts("02-two.html", "figure.listing code.language-diff");
    assert_eq!(diffs[0], "-//! One.\n+//! Two.");
    let say = " /// Says it.\n fn say() {\n-    println!(\"one\");\n+    println!(\"two\");\n }\n";
    assert_eq!(diffs[1], format!("{say} \n+/// Is new.\n+fn more() {{}}"));
    let captions = fixture.texts("02-two.html", "figure.listing > figcaption");
    assert_eq!(captions, ["src/main.rs, in //!", "src/main.rs, in say, more", "Cargo.toml"]);
    let whole = fixture.texts("02-two.html", "details.whole code.language-rust");
    assert_eq!(whole, [TWO.trim_end()]);
    let first = fixture.texts("01-one.html", "figure.listing code.language-rust");
    assert_eq!(first, [ONE.trim_end()]);
}

#[test]
fn a_changed_line_of_a_stage_fails_until_the_chapter_speaks_of_it() {
    let fixture = Fixture::new();
    fixture.replace("02-two/src/main.rs", "//! Two.\n", "//! Two.\n\nuse std::fs;\n");
    fixture.fails(&["02-two.md", "{{#diff 02-two src/main.rs: use}}"]);
    fixture.replace("book/src/02-two.md", ": //!}}", ": //!, use}}");
    fixture.builds();
}

#[test]
fn a_file_that_no_chapter_shows_fails() {
    let fixture = Fixture::new();
    fixture.write("02-two/src/other/new.rs", "fn new() {}\n");
    fixture.fails(&["{{#diff 02-two src/other/new.rs: new}}"]);
    fixture.replace(
        "book/src/02-two.md",
        "# Two\n",
        "# Two\n\n{{#diff 02-two src/other/new.rs}}\n",
    );
    fixture.builds();
    // And so it does when it is gone again.
    fixture.write("03-three/src/main.rs", TWO);
    fixture.write("03-three/Cargo.toml", "[package]\nname = \"three\"\n\n[dependencies]\n");
    fixture.write("book/src/03-three.md", "# Three\n\n{{#diff 03-three Cargo.toml}}\n");
    fixture.write(
        "book/src/SUMMARY.md",
        "- [One](01-one.md)\n- [Two](02-two.md)\n- [Three](03-three.md)\n",
    );
    fixture.fails(&["{{#diff 03-three src/other/new.rs: new}}"]);
}

#[test]
fn a_stage_without_a_chapter_is_no_error() {
    let fixture = Fixture::new();
    fixture.write("book/src/SUMMARY.md", "- [One](01-one.md)\n- [Two]()\n");
    fixture.builds();
}

#[test]
fn a_change_that_is_shown_twice_fails() {
    let fixture = Fixture::new();
    fixture.replace(
        "book/src/01-one.md",
        "# One\n",
        "# One\n\n{{#diff 02-two src/main.rs: say}}\n",
    );
    fixture.fails(&["say of 02-two/src/main.rs is shown 2 times (01-one.md, 02-two.md)"]);
}

#[test]
fn an_item_without_changes_fails() {
    let fixture = Fixture::new();
    fixture.replace("book/src/02-two.md", "say, more", "say, more, main");
    fixture.fails(&["02-two.md:11: ", "nothing changes in main", "but in //!, more, say"]);
}

#[test]
fn a_stage_or_a_file_that_does_not_exist_fails() {
    let fixture = Fixture::new();
    fixture.replace("book/src/02-two.md", "02-two Cargo.toml", "02-too Cargo.toml");
    fixture.fails(&["no stage 02-too: 01-one, 02-two", "{{#diff 02-two Cargo.toml: [package]}}"]);
    fixture.replace("book/src/02-two.md", "02-too Cargo.toml", "02-two src/no.rs");
    fixture.fails(&["no file 02-two/src/no.rs"]);
}

#[test]
fn code_from_elsewhere_is_shown_by_name() {
    let fixture = Fixture::new();
    let code = "impl Two {\n    /// Is a method.\n    fn method() {\n        1;\n    }\n}\n";
    fixture.write("common/src/lib.rs", code);
    let directive = "# One\n\n{{#code common/src/lib.rs: Two::method}}\n";
    fixture.replace("book/src/01-one.md", "# One\n", directive);
    fixture.builds();
    let shown = fixture.texts("01-one.html", "figure.listing code.language-rust");
    assert_eq!(shown[0], "/// Is a method.\nfn method() {\n    1;\n}");
    fixture.replace("book/src/01-one.md", "Two::method", "Two::other");
    fixture
        .fails(&["01-one.md:3: ", "no Two::other in common/src/lib.rs, but impl Two, Two::method"]);
    fixture.replace("book/src/01-one.md", "common/src/lib.rs: Two::other", "../secret");
    fixture.fails(&["../secret is not below the workspace"]);
}

#[test]
fn what_is_no_directive_fails() {
    for wrong in [
        "{{#dif 02-two}}",
        "{{#include no.md}}",
        "{{#diff 02-two src/main.rs: say",
        "{{#diff 02-two}}",
    ] {
        let fixture = Fixture::new();
        fixture.replace("book/src/01-one.md", "# One\n", &format!("# One\n\n{wrong}\n"));
        fixture.fails(&["01-one.md:3: "]);
    }
}

#[test]
fn headings_have_ids() {
    let fixture = Fixture::new();
    fixture.replace("book/src/02-two.md", " {#rest}", "");
    fixture.fails(&["02-two.md:7: a heading without an id"]);
    fixture.replace("book/src/02-two.md", "## The rest", "## The rest {#a}\n\n## More {#a}");
    fixture.fails(&["02-two.md:9: two headings with the same id"]);
}

#[test]
fn text_is_linked_and_code_is_not() {
    let fixture = Fixture::new();
    let text = "# One\n\nSee user_namespaces(7), `clone(2)`, `clone(2) or so` and [chroot(2)](02-two.md).\n";
    fixture.replace("book/src/01-one.md", "# One\n", text);
    fixture.builds();
    let links = fixture.texts("01-one.html", "main a[href^='https://man7.org/']");
    assert_eq!(links, ["user_namespaces(7)", "clone(2)"]);
}

#[test]
fn console_blocks_and_pictures_are_html() {
    let fixture = Fixture::new();
    let text = "# One\n\n```console other\n$ echo '<b>'\n<b>\n```\n\n```drawing A box.\n+-------+\n| ls(1) |\n+-------+\n```\n";
    fixture.replace("book/src/01-one.md", "# One\n", text);
    fixture.builds();
    assert_eq!(fixture.texts("01-one.html", "figure.console pre"), ["$ echo '<b>'\n<b>"]);
    assert_eq!(fixture.texts("01-one.html", "figure.console figcaption"), ["in a second terminal"]);
    let page = fixture.read("book/book/01-one.html");
    assert!(page.contains("role=\"img\" aria-label=\"A box.\""), "{page}");
    assert_eq!(fixture.texts("01-one.html", "figure.picture text"), ["ls(1)"]);
}

#[test]
fn a_call_of_a_stage_fails_until_the_chapter_speaks_of_it() {
    let fixture = Fixture::new();
    let calls = "## Calls {#calls}\n\n```console\n$ cargo diff 01 02 --calls\n--- 01-one\n+++ 02-two\n+   chroot(.)\n```\n\nNew.\n";
    fixture.replace("book/src/02-two.md", "The head.\n", &format!("The head.\n\n{calls}"));
    fixture.fails(&["02-two.md:7: no sentence of this section speaks of `chroot`"]);
    fixture.replace("book/src/02-two.md", "New.", "chroot(2) is new.");
    fixture.builds();
}

#[test]
fn the_chapter_of_each_stage_shows_its_calls() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let stages = Stages::find(&root).unwrap();
    for stage in stages.names() {
        let chapter = fs::read_to_string(root.join(format!("book/src/{stage}.md"))).unwrap();
        let is = |typed: &str, stage: &str| typed == stage || typed == &stage[..2];
        let wanted: Vec<&str> =
            stages.older(stage).unwrap().into_iter().chain([stage.as_str()]).collect();
        let shown = calls::shown(&chapter).unwrap();
        let shows = |typed: &Vec<String>| {
            typed.len() == wanted.len()
                && typed.iter().zip(&wanted).all(|(typed, stage)| is(typed, stage))
        };
        assert!(
            shown.iter().any(shows),
            "{stage}.md shows the calls of {shown:?}, not of {wanted:?}"
        );
    }
}

#[test]
fn mdbook_can_start_the_program_instead() {
    let fixture = Fixture::new();
    let program = env!("CARGO_BIN_EXE_mdbook-stages");
    fixture.replace("book/book.toml", "\"false\"", &format!("{program:?}"));
    let build = || MDBook::load(fixture.0.path().join("book")).unwrap().build();
    build().unwrap_or_else(|error| panic!("{error:#}"));
    let diffs = fixture.texts("02-two.html", "figure.listing code.language-diff");
    assert_eq!(diffs[0], "-//! One.\n+//! Two.");
    fixture.replace("book/src/02-two.md", "say, more", "say");
    build().expect_err("no chapter shows more");
}

#[test]
fn a_translation_leaves_code_and_output_alone() {
    let fixture = Fixture::new();
    let console = "# One\n\nA command.\n\n```console\n$ echo The head.\nThe head.\n```\n";
    fixture.replace("book/src/01-one.md", "# One\n", console);
    fixture.write(
        "book/book.toml",
        "[book]\nlanguage = \"de\"\n\
         [preprocessor.gettext]\nafter = [\"links\"]\n\
         [preprocessor.stages]\ncommand = \"false\"\nafter = [\"links\", \"gettext\"]\n\
         [preprocessor.stages.words.de]\nwithin = \", in der Funktion \"\n",
    );
    fixture.write("book/po/de.po", include_str!("de.po"));
    let mut book = fixture.load();
    book.with_preprocessor(Gettext);
    book.build().unwrap_or_else(|error| panic!("{error:#}"));
    let paragraphs = fixture.texts("02-two.html", "main p");
    assert_eq!(paragraphs, ["Der Kopf.", "Es sagt etwas anderes, mit clone(2)."]);
    assert_eq!(fixture.texts("02-two.html", "h2#rest"), ["Der Rest"]);
    let captions = fixture.texts("02-two.html", "figcaption");
    assert_eq!(captions[1], "src/main.rs, in der Funktion say, more");
    let diffs = fixture.texts("02-two.html", "code.language-diff");
    assert_eq!(diffs[0], "-//! One.\n+//! Two.");
    assert_eq!(fixture.texts("01-one.html", "figure.console pre"), ["$ echo The head.\nThe head."]);
}

/// The book beside this package, built into a directory of its own.
fn the_book() -> Result<TempDir> {
    let directory = tempfile::tempdir()?;
    let mut book = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    book.config.build.build_dir = directory.path().to_owned();
    book.build()?;
    Ok(directory)
}

/// A page: its ids, and what it refers to.
struct Page {
    ids: Vec<String>,
    references: Vec<String>,
    without_words: usize,
}

impl Page {
    fn read(file: &Path) -> Page {
        let html = Html::parse_document(&fs::read_to_string(file).unwrap());
        let all = |selector: &str, attribute: &str| -> Vec<String> {
            let selector = Selector::parse(selector).unwrap();
            let values = html.select(&selector).filter_map(|element| element.attr(attribute));
            values.map(str::to_owned).collect()
        };
        let references = [all("[href]", "href"), all("[src]", "src")].concat();
        let wordless = "img:not([alt]), figure.picture svg:not([aria-label])";
        let without_words = html.select(&Selector::parse(wordless).unwrap()).count();
        Page { ids: all("[id]", "id"), references, without_words }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Takes `.` and `..` out of a path, as a browser does.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Checks a book's pages, and returns what is wrong, and how many references there are.
fn wrong_references(directory: &Path) -> (Vec<String>, usize) {
    let files = files(directory);
    let is_page = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "html");
    let pages: BTreeMap<&Path, Page> =
        files.iter().filter(is_page).map(|file| (file.as_path(), Page::read(file))).collect();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (file, page) in &pages {
        let name = file.strip_prefix(directory).unwrap().display();
        if page.without_words > 0 {
            wrong.push(format!("{name}: {} pictures without words", page.without_words));
        }
        let ids: BTreeSet<&String> = page.ids.iter().collect();
        if ids.len() < page.ids.len() {
            wrong.push(format!("{name}: an id is there twice"));
        }
        for reference in &page.references {
            let external = ["https:", "http:", "mailto:", "data:"];
            if external.iter().any(|scheme| reference.starts_with(scheme)) {
                continue;
            }
            count += 1;
            let (path, anchor) = reference.split_once('#').unwrap_or((reference, ""));
            let path = path.split('?').next().unwrap_or_default();
            let target = match path {
                "" => file.to_path_buf(),
                path => normal(&file.parent().unwrap().join(path)),
            };
            let anchor_exists = || {
                let page = pages.get(target.as_path());
                page.is_some_and(|page| page.ids.iter().any(|id| id == anchor))
            };
            if !target.is_file() || !anchor.is_empty() && !anchor_exists() {
                wrong.push(format!("{name}: {reference}"));
            }
        }
    }
    (wrong, count)
}

#[test]
fn every_reference_in_the_book_leads_somewhere() {
    let book = the_book().unwrap_or_else(|error| panic!("{error:#}"));
    let (wrong, count) = wrong_references(book.path());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "only {count} references");
}

/// So many columns have room beside the sidebar, on a screen of 1300 pixels: theme/stages.css.
const COLUMNS: usize = 120;

#[test]
fn no_line_of_a_listing_is_wider_than_the_page() {
    let book = the_book().unwrap_or_else(|error| panic!("{error:#}"));
    let listing = Selector::parse("figure.listing pre > code, details.whole pre > code").unwrap();
    let mut lines = 0;
    for file in files(book.path()).iter().filter(|file| file.extension() == Some("html".as_ref())) {
        let html = Html::parse_document(&fs::read_to_string(file).unwrap());
        for code in html.select(&listing) {
            for line in code.text().collect::<String>().lines() {
                assert!(line.chars().count() <= COLUMNS, "{}: {line}", file.display());
                lines += 1;
            }
        }
    }
    assert!(lines > 1000, "only {lines} lines");
}

#[test]
fn references_that_lead_nowhere_are_found() {
    let fixture = Fixture::new();
    let text = "# One\n\n[a](02-two.md#rest) [b](02-two.md#no) [c](no.md) ![d](no.svg) [e](#no)\n";
    fixture.replace("book/src/01-one.md", "# One\n", text);
    fixture.builds();
    let (wrong, _) = wrong_references(&fixture.0.path().join("book/book"));
    for name in ["02-two.html#no", "no.html", "no.svg", "#no"] {
        assert!(wrong.contains(&format!("01-one.html: {name}")), "{name} is not in {wrong:?}");
    }
    assert!(!wrong.iter().any(|reference| reference.contains("rest")), "{wrong:?}");
}
