//! The table of what is equal in the containers of stage 08 and of the engines, and what is not. It is in the book, and
//! the tests compare each engine with its column. With `BUNDLE_UPDATE` they write it.

// Each of the two test programs takes its part of this.
#![allow(dead_code)]

use std::fs::{self, File};
use std::path::PathBuf;
use std::{env, iter};

use nix::fcntl::{Flock, FlockArg};

use crate::facts::Facts;

/// The columns, in their order, and whose containers each of them is of.
const COLUMNS: [(&str, &[&str]); 3] = [
    ("the bundle, by crun, runc or containerd", &["crun", "runc", "containerd"]),
    ("the image, by Podman", &["Podman"]),
    ("the image, by Docker", &["Docker"]),
];

/// Stands for: as in the stage's.
const SAME: &str = "=";

/// The table, as it is in the book.
pub struct Table {
    /// A row is the name of a fact, what the stage has, and what each engine has.
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads the table as it was when this was built.
    pub fn read() -> Table {
        Table::parse(include_str!("../equal.md"))
    }

    /// What the table says of the stage.
    pub fn of_stage(&self) -> Facts {
        self.rows.iter().map(|row| (row[0].clone(), row[1].clone())).collect()
    }

    /// Whether the tests write the table, and find nothing wrong.
    pub fn is_being_written() -> bool {
        env::var_os("BUNDLE_UPDATE").is_some()
    }

    fn parse(text: &str) -> Table {
        // Two lines are a heading.
        let rows = text.lines().skip(2).map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
        });
        Table { rows: rows.collect() }
    }

    /// The facts in which an engine's container differs from the stage's.
    pub fn differences(&self, engine: &str) -> Vec<&str> {
        let column = column(engine);
        let different = self.rows.iter().filter(|row| row[column] != SAME);
        different.map(|row| row[0].as_str()).collect()
    }

    /// Asserts that stage 08 and an engine's container are as the table has them.
    #[track_caller]
    pub fn check(&self, engine: &str, ours: &Facts, theirs: &Facts) {
        if Table::is_being_written() {
            return update(engine, ours, theirs);
        }
        let column = column(engine);
        let written =
            self.rows.iter().map(|row| [&row[0], &row[1], &row[column]].map(String::clone));
        let written: Vec<_> = written.collect();
        let found: Vec<_> = rows(ours, theirs).collect();
        assert!(
            written == found,
            "the table in the book is not what {engine} does: BUNDLE_UPDATE=1 writes it\n{}",
            difference(&written, &found)
        );
    }
}

/// The rows that were written, or found, and not both.
fn difference(written: &[[String; 3]], found: &[[String; 3]]) -> String {
    let only = |a: &[[String; 3]], b: &[[String; 3]], mark: &str| -> String {
        let rows = a.iter().filter(|row| !b.contains(row));
        rows.map(|row| format!("{mark} {}\n", row.join(" | "))).collect()
    };
    only(written, found, "-") + &only(found, written, "+")
}

fn column(engine: &str) -> usize {
    2 + COLUMNS.iter().position(|(_, engines)| engines.contains(&engine)).expect("a known engine")
}

/// The rows of one engine.
fn rows(ours: &Facts, theirs: &Facts) -> impl Iterator<Item = [String; 3]> {
    ours.iter().map(|(name, of_ours)| {
        let of_theirs = theirs.get(name).map_or("nothing", String::as_str);
        [name.clone(), of_ours.clone(), cell(name, of_ours, of_theirs)]
    })
}

/// The facts that are lists of words.
const LISTS: [&str; 4] = ["/dev has", "environment", "network devices", "new namespaces"];

/// Says how an engine's value differs from the stage's. Of a list it is what is not in it, and what is in it besides.
fn cell(name: &str, of_ours: &str, of_theirs: &str) -> String {
    if of_theirs == of_ours {
        return SAME.into();
    }
    if !LISTS.contains(&name) {
        return of_theirs.into();
    }
    let (ours, theirs) = (words(of_ours), words(of_theirs));
    let missing = ours.iter().filter(|word| !theirs.contains(word)).map(|word| format!("-{word}"));
    let more = theirs.iter().filter(|word| !ours.contains(word)).map(|word| format!("+{word}"));
    missing.chain(more).collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

/// Writes an engine's column. The tests of several may do so at once.
fn update(engine: &str, ours: &Facts, theirs: &Facts) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/equal.md"));
    let file = File::open(&path).expect("there is a table");
    let _turn = Flock::lock(file, FlockArg::LockExclusive).expect("it can be locked");
    let before = Table::parse(&fs::read_to_string(&path).expect("there is a table"));
    let columns = COLUMNS.map(|(heading, _)| heading);
    let mut text = format!("| | stage 08 | {} |\n", columns.join(" | "));
    text += &format!("{}|\n", "| --- ".repeat(2 + COLUMNS.len()));
    for [name, of_ours, of_theirs] in rows(ours, theirs) {
        let old = before.rows.iter().find(|row| row[0] == name);
        let mut row = old.cloned().unwrap_or(vec!["?".into(); 2 + COLUMNS.len()]);
        row[0] = name;
        row[1] = of_ours;
        row[column(engine)] = of_theirs;
        let quoted = |cell: &String| if cell == SAME { cell.clone() } else { format!("`{cell}`") };
        let cells = iter::once(row[0].clone()).chain(row[1..].iter().map(quoted));
        text += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    }
    fs::write(&path, text).expect("it can be written");
}
