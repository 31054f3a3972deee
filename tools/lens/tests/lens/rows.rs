//! Each row of the table, provoked by a program whose source says what is to be seen of it, line by line.

use std::collections::BTreeSet;

use conformance::{Output, Stage};
use regex::Regex;

use crate::seen::{Call, provoked};

const SOURCE: &str = include_str!("provoke.rs");

/// Returns the lines of a function of provoke.rs that say what is to be seen: number, and what.
fn expected(function: &str) -> Vec<(usize, String)> {
    let start = format!("pub fn {function}(");
    let lines = SOURCE.lines().enumerate().skip_while(|(_, line)| !line.starts_with(&start));
    let lines = lines.take_while(|(_, line)| *line != "}");
    lines
        .filter_map(|(index, line)| {
            let comment = line.split_once("; // ")?.1;
            Some((index + 1, comment.to_string()))
        })
        .collect()
}

/// Whether a call is what a comment says.
fn fits(call: &Call, comment: &str) -> bool {
    let error = call.error.as_ref().map(|error| format!(" = {error}")).unwrap_or_default();
    let new =
        if call.new.is_empty() { String::new() } else { format!(" new: {}", call.new.join(" ")) };
    let mut pattern = regex::escape(comment);
    // What a call returns is a number, or, where machines differ, that or an error.
    if call.returned.is_some() {
        pattern = pattern.replace(r" = \[N\]", "").replace(r" = \[E\]", "");
    }
    let pattern = pattern
        .replace(r" = \[E\]", " = [A-Z]+")
        .replace(r"\[N\]", "[0-9]+")
        .replace(r"\[P\]", r"/[^ ]*");
    let pattern = Regex::new(&format!("^{pattern}$")).expect("a pattern");
    pattern.is_match(&format!("{}{error}{new}", call.text))
}

/// Provokes what a function does, and compares. Returns the names of the calls.
pub fn compare(lens: &Stage, function: &str, args: &[&str]) -> BTreeSet<String> {
    let seen = provoked(lens, &[&[function], args].concat());
    assert_eq!(seen.output.code, 0, "{:?}", seen.output);
    let calls: Vec<_> = seen
        .calls()
        .into_iter()
        .filter(|call| call.file == "provoke.rs" && call.process == 0)
        .collect();
    let expected = expected(function);
    assert!(!expected.is_empty(), "{function} says nothing");
    for (call, (line, comment)) in calls.iter().zip(&expected) {
        assert!(
            call.line == *line && fits(call, comment),
            "{function}: not line {line}, {comment}\nbut {call:#?}"
        );
    }
    assert_eq!(calls.len(), expected.len(), "{function}: {calls:#?}");
    calls.into_iter().map(|call| call.name).collect()
}

/// What the functions of provoke.rs are called: cgroups are in a test program of their own.
const FUNCTIONS: [&str; 9] = [
    "names",
    "mounts",
    "roots",
    "files",
    "namespaces",
    "children",
    "rights",
    "network",
    "programs",
];

pub fn every_row_of_the_table_is_seen_as_it_was_made_and_from_its_line(lens: &Stage) {
    let seen: BTreeSet<String> =
        FUNCTIONS.into_iter().flat_map(|function| compare(lens, function, &[])).collect();
    let elsewhere = ["fork", "vfork", "mkdir", "rmdir", "mkdirat", "unlinkat"];
    let table = lens.run(["--table"]).ok();
    for name in table.lines().filter_map(|line| line.split(' ').next()) {
        assert!(seen.contains(name) || elsewhere.contains(&name), "nothing provokes {name}");
    }
}

#[cfg(target_arch = "x86_64")]
pub fn fork_has_its_line_and_vfork_has_none_rather_than_a_wrong_one(lens: &Stage) {
    let seen = provoked(lens, &["old_calls"]);
    let (fork, vfork) = (seen.named("fork"), seen.named("vfork"));
    assert!(fits(&fork[0], "fork() = [N]"), "{fork:?}");
    assert_eq!(fork[0].line, expected("old_calls")[0].0);
    assert_eq!((vfork.len(), vfork[0].line), (1, 0), "{vfork:?}");
}

pub fn every_place_of_the_table_is_in_the_book(lens: &Stage) {
    let table = lens.run(["--table"]).ok();
    let book = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/src");
    for line in table.lines() {
        let place = line.split_whitespace().nth(2).expect("three columns");
        let Some((chapter, id)) = place.split_once('#') else { continue };
        let text = std::fs::read_to_string(book.join(chapter))
            .unwrap_or_else(|error| panic!("{chapter}: {error}"));
        assert!(text.contains(&format!("{{#{id}}}")), "no heading {place}");
    }
}

pub fn a_call_that_makes_no_container_is_shown_only_when_all_are_wanted(lens: &Stage) {
    let program = crate::seen::this_program();
    let args = ["provoke", "files"];
    let seen = crate::seen::Seen::of(lens, &[], &program, args);
    assert!(!seen.calls().iter().any(|call| call.text.contains("/tmp/uid_map")));
    let all = crate::seen::Seen::of(lens, &["--all"], &program, args);
    let calls = all.calls();
    assert!(calls.iter().any(|call| call.text.starts_with("openat(")), "{:?}", calls.last());
    let (some, all) = (seen.named("write"), all.named("write"));
    let texts = |calls: &[Call]| calls.iter().map(|call| call.text.len()).collect::<Vec<_>>();
    assert_eq!(texts(&some), texts(&all));
}

pub fn json_and_table_are_of_the_same_run(lens: &Stage) {
    let output = Output::of(lens.command().args(["--width", "80", "--", "sh", "-c", "exit 3"]));
    assert_eq!(output.code, 3);
    assert!(output.stdout.lines().all(|line| line.chars().count() <= 80), "{}", output.stdout);
    assert!(output.stdout.contains("  exit(3)"), "{}", output.stdout);
    assert!(!output.stdout.contains('\x1b'), "{}", output.stdout);
}
