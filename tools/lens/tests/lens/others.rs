//! Other makers of containers beside the last stage: which calls they make. The book shows the table, `others.md`.
//!
//! `LENS_UPDATE=1 cargo test -p lens --test cgroups -- --test-threads 1 "the book says"` writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use conformance::{Output, Stage, need, skip};
use nix::mount::{MsFlags, mount};

use crate::seen::{Call, Seen, stage};

/// The table, beside the tests.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/others.md");

/// Its columns.
const COLUMNS: [&str; 5] = ["08-cgroups", "unshare", "bwrap", "crun", "runc"];

/// What a cell has where the program makes the call.
const MADE: &str = "yes";

/// The row with the versions of the programs, which decide what they do.
const VERSION: &str = "version";

/// The rows of the table: by call, and in it by column.
type Rows = BTreeMap<String, Vec<String>>;

pub fn the_last_stage_asks_what_the_book_says(lens: &Stage) {
    let seen = Seen::of(lens, &[], stage(lens, "08-cgroups"), ["-c", "true"]);
    compare("08-cgroups", "", &seen);
}

pub fn unshare_asks_what_the_book_says(lens: &Stage) {
    let program = need("unshare");
    let options =
        "--mount --uts --ipc --net --pid --cgroup --fork --mount-proc --root /tmp/root sh -c true";
    compare("unshare", &version("unshare"), &run(lens, &program, options));
}

pub fn bwrap_asks_what_the_book_says(lens: &Stage) {
    let program = need("bwrap");
    let options = "--unshare-all --hostname nshost --bind /tmp/root / --proc /proc --dev /dev --tmpfs /temp sh -c true";
    compare("bwrap", &version("bwrap"), &run(lens, &program, options));
}

pub fn crun_asks_what_the_book_says(lens: &Stage) {
    need("crun");
    compare("crun", &with_cgroups(&version("crun")), &crate::crun(lens));
}

pub fn runc_asks_what_the_book_says(lens: &Stage) {
    need("runc");
    compare("runc", &with_cgroups(&version("runc")), &crate::runc(lens));
}

fn run(lens: &Stage, program: &std::path::Path, options: &str) -> Seen {
    common::rootfs::make(std::path::Path::new("/tmp/root")).expect("a root directory");
    let alone = Output::of(Command::new(program).args(options.split(' ')));
    if alone.code != 0 {
        skip(&format!("{} does not work here: {}", program.display(), alone.stderr.trim()));
    }
    let seen = Seen::of(lens, &[], program, options.split(' '));
    assert_eq!(seen.output.code, 0, "{:?}", seen.output);
    seen
}

/// Returns the first word with a digit of what a program says of its version.
fn version(program: &str) -> String {
    let said = Output::of(Command::new(program).arg("--version")).stdout;
    let has_digit = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    said.split_whitespace().find(has_digit).unwrap_or_default().into()
}

/// Adds the version of cgroups, by which a runtime does one thing or another.
fn with_cgroups(version: &str) -> String {
    let is_v2 = fs::exists("/sys/fs/cgroup/cgroup.controllers").expect("stat");
    format!("{version}, cgroup v{}", if is_v2 { 2 } else { 1 })
}

/// Compares what was seen of a program with its column of the table, or writes that.
fn compare(column: &str, version: &str, seen: &Seen) {
    let place = COLUMNS.iter().position(|known| *known == column).expect("a column");
    let made: BTreeSet<String> = seen.calls().iter().filter_map(key).collect();
    let mut rows = read();
    if std::env::var_os("LENS_UPDATE").is_some() {
        let empty = || vec![String::new(); COLUMNS.len()];
        rows.values_mut().for_each(|cells| cells[place].clear());
        for key in made {
            rows.entry(key).or_insert_with(empty)[place] = MADE.into();
        }
        rows.entry(VERSION.into()).or_insert_with(empty)[place] = version.into();
        rows.retain(|_, cells| cells.iter().any(|cell| !cell.is_empty()));
        return write(&rows);
    }
    // What the book says of all of them, whatever their versions.
    let is_made = |names: &[&str]| names.iter().any(|name| made.contains(*name));
    assert!(is_made(&["clone", "clone3", "unshare"]), "{made:#?}");
    assert!(is_made(&["mount proc", "fsopen"]), "{made:#?}");
    let recorded = &rows[VERSION][place];
    if recorded != version && std::env::var_os("TEST_NO_SKIP").is_some() {
        // Another version is not a test that could be run here.
        return;
    }
    if recorded != version {
        skip(&format!("the book is about {column} {recorded}, and this is {version}"));
    }
    let is_made =
        |(key, cells): (&String, &Vec<String>)| (cells[place] == MADE).then(|| key.clone());
    let expected: BTreeSet<String> = rows.iter().filter_map(is_made).collect();
    let differ: Vec<&String> = made.symmetric_difference(&expected).collect();
    assert!(differ.is_empty(), "{column} and the book differ in {differ:?}: {made:#?}");
}

fn read() -> Rows {
    let text = fs::read_to_string(TABLE).unwrap_or_default();
    let rows = text.lines().skip(2).map(|line| {
        let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', ""));
        let mut cells: Vec<String> = cells.collect();
        (cells.remove(0), cells)
    });
    rows.collect()
}

fn write(rows: &Rows) {
    let heads = COLUMNS.map(|column| format!("`{column}`")).join(" | ");
    let mut text = format!("| call | {heads} |\n{}|\n", "| --- ".repeat(1 + COLUMNS.len()));
    let is_version = |row: &(&String, &Vec<String>)| row.0 == VERSION;
    let (first, others): (Vec<_>, Vec<_>) = rows.iter().partition(is_version);
    for (key, cells) in first.into_iter().chain(others) {
        let key = if key == VERSION { key.clone() } else { format!("`{key}`") };
        text += &format!("| {key} | {} |\n", cells.join(" | "));
    }
    // The files of the machine are not for change by tests. Whoever updates the table wants it changed.
    let writable = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
    mount(None::<&str>, "/", None::<&str>, writable, None::<&str>).expect("make / writable");
    fs::write(TABLE, text).expect("write the table");
}

/// Returns the row that a call belongs to: none where it makes nothing of a container.
fn key(call: &Call) -> Option<String> {
    let words: Vec<&str> = call.text.split_whitespace().collect();
    let is_cgroup = call.text.contains("/sys/fs/cgroup");
    let key = match call.name.as_str() {
        _ if call.error.is_some() => return None,
        "exit" | "execve" | "chdir" | "fchdir" => return None,
        "clone" | "clone3" | "fork" | "vfork" if call.new.is_empty() => return None,
        "write" if is_cgroup => "write in a cgroup".into(),
        "mkdir" | "mkdirat" => "mkdir of a cgroup".into(),
        "rmdir" | "unlinkat" => "rmdir of a cgroup".into(),
        "write" => format!("write {}", words.get(1)?.rsplit('/').next()?),
        "mount" => mount_key(&call.text),
        "prctl" => {
            format!("prctl {}", call.text.trim_start_matches("prctl(").split([',', ')']).next()?)
        }
        _ if call.text.starts_with("netlink") => match words[..] {
            [_, _, "list" | "show", ..] => return None,
            [_, object, verb, ..] => format!("netlink {object} {verb}"),
            _ => return None,
        },
        name => name.into(),
    };
    Some(key)
}

/// The type of a new file system, or what is done to a mount that is there.
fn mount_key(text: &str) -> String {
    let options = text.rsplit_once(" (").map(|(_, options)| options).unwrap_or_default();
    let first = options.split([',', ')', ' ']).next().unwrap_or_default();
    let Some(flags) = first.strip_prefix("MS_") else { return format!("mount {first}") };
    let has = |flag: &str| flags.split('|').any(|own| own == flag);
    let kinds = ["REMOUNT", "MOVE", "BIND", "PRIVATE", "SLAVE"];
    let kind = kinds.into_iter().find(|kind| has(kind)).unwrap_or(flags);
    format!("mount MS_{kind}")
}
