//! Blocks in which lens shows system calls, and whether the text around them speaks of each.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use mdbook_markdown::pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};
use regex::Regex;

use crate::console::{Block, Input, body};

/// What begins a call in a difference: the sign, and the indentation below a process.
static CHANGED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^([-+])   (\S.*)$").expect("a good expression"));

/// What begins a call in a table: the indentation, the place in the source or blanks, and the call's name.
static LISTED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^  (?:\S.{29}| {30})  (\S.*)$").expect("a good expression"));

/// A stage, by its name or its number.
static STAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\d\d(-[a-z]+)*$").expect("a good expression"));

/// A page of the manual.
static PAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b[a-z_0-9]+\([1-8]\)").expect("a good expression"));

/// Returns the stages whose calls a block shows, as they are typed: two that are compared, or one.
pub fn stages(block: &Block) -> Option<Vec<&str>> {
    let typed = block.steps.iter().filter_map(|step| match &step.input {
        Input::Command { lines, .. } => Some(lines),
        _ => None,
    });
    let words = typed.map(|lines| lines.iter().flat_map(|line| line.split_whitespace()));
    let words = words.map(Iterator::collect::<Vec<_>>).find(|words| is_lens(words))?;
    Some(words.into_iter().filter(|word| STAGE.is_match(word)).collect())
}

/// Whether a command traces: `cargo lens`, `cargo as-root -p lens` and `cargo diff --calls`.
fn is_lens(words: &[&str]) -> bool {
    let has = |word| words.contains(&word);
    has("cargo") && (has("lens") || has("diff") && has("--calls"))
}

/// Whether a block's command traces another program.
pub fn is_traced(block: &Block) -> bool {
    stages(block).is_some()
}

/// Returns the calls that a chapter shows and that no sentence of the section around them speaks of, each with
/// its place.
///
/// # Errors
///
/// A block that is none.
pub fn unexplained(chapter: &str) -> Result<Vec<(usize, String)>> {
    let mut missing = Vec::new();
    for section in sections(chapter) {
        let text = &chapter[section.clone()];
        let (told, blocks) = told(text);
        for (range, info) in blocks {
            let block = Block::parse(&info, body(&text[range.clone()]), 0)?;
            let Some(block) = block.filter(is_traced) else { continue };
            let shown = asked(block.steps.iter().flat_map(|step| &step.output));
            let at = section.start + range.start;
            let unknown = shown.into_iter().filter(|what| !speaks_of(&told, what));
            missing.extend(unknown.map(|what| (at, what)));
        }
    }
    Ok(missing)
}

/// The parts of a chapter from one heading of the second level to the next.
fn sections(chapter: &str) -> Vec<Range<usize>> {
    let events = new_cmark_parser(chapter, &MarkdownOptions::default()).into_offset_iter();
    let is_section =
        |event: &Event| matches!(event, Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }));
    let starts = events.filter(|(event, _)| is_section(event)).map(|(_, range)| range.start);
    let mut bounds: Vec<usize> = std::iter::once(0).chain(starts).collect();
    bounds.push(chapter.len());
    bounds.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// Returns what the sentences of a section name as code, or as a page of the manual; and its blocks.
#[allow(clippy::type_complexity)]
fn told(section: &str) -> (Vec<String>, Vec<(Range<usize>, String)>) {
    use mdbook_markdown::pulldown_cmark::CodeBlockKind::Fenced;
    let (mut told, mut blocks, mut in_block) = (Vec::new(), Vec::new(), false);
    let events = new_cmark_parser(section, &MarkdownOptions::default()).into_offset_iter();
    for (event, range) in events {
        match event {
            Event::Start(Tag::CodeBlock(Fenced(info))) => {
                in_block = true;
                blocks.push((range, info.into()));
            }
            Event::End(TagEnd::CodeBlock) => in_block = false,
            Event::Code(code) => told.push(code.into()),
            Event::Text(text) if !in_block => {
                told.extend(PAGE.find_iter(&text).map(|page| page.as_str().to_owned()));
            }
            _ => {}
        }
    }
    (told, blocks)
}

/// Whether one of the pieces has this in it, as a word of its own.
fn speaks_of(told: &[String], what: &str) -> bool {
    let word = Regex::new(&format!(r"(^|\W){}($|\W)", regex::escape(what)));
    let word = word.expect("it is escaped");
    told.iter().any(|piece| word.is_match(piece))
}

/// Returns what a text has to speak of, by the output of lens: the calls that are new or gone, or all.
fn asked<'a>(lines: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    let mut calls: Vec<(char, String)> = Vec::new();
    for line in lines {
        if let Some(found) = CHANGED.captures(line) {
            calls.push((found[1].chars().next().unwrap_or_default(), found[2].to_owned()));
        } else if let Some(found) = LISTED.captures(line) {
            calls.push(('+', found[1].to_owned()));
        } else if let (Some((sign, call)), Some(more)) = (calls.last_mut(), line.get(1..)) {
            // The rest of a long one.
            if line.starts_with(*sign) && more.starts_with("       ") {
                *call = format!("{call} {}", more.trim_start());
            }
        }
    }
    let flags = |sign: char| -> BTreeSet<String> {
        let own = calls.iter().filter(|(own, _)| *own == sign);
        own.flat_map(|(_, call)| namespaces(call)).collect()
    };
    let (new, gone) = (flags('+'), flags('-'));
    let mut asked: BTreeSet<String> = calls.iter().flat_map(|(_, call)| key(call)).collect();
    asked.extend(new.symmetric_difference(&gone).cloned());
    asked
}

/// The namespaces that a call names: `CLONE_NEWNS|NEWUTS` is two.
fn namespaces(call: &str) -> Vec<String> {
    let Some((_, flags)) = call.split_once("CLONE_") else { return Vec::new() };
    let flags = flags.split([')', ' ']).next().unwrap_or_default().split('|');
    flags.filter(|flag| flag.starts_with("NEW")).map(|flag| format!("CLONE_{flag}")).collect()
}

/// What a text has to name where it speaks of a call: the file that is written, the request to the network, the kind
/// of mount, or else the name of the call. The end of a process is none.
fn key(call: &str) -> Vec<String> {
    let words: Vec<&str> = call.split_whitespace().collect();
    let name = call.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    match (name, words.as_slice()) {
        ("exit" | "killed", _) => Vec::new(),
        ("write", [_, path, ..]) => vec![path.rsplit('/').next().unwrap_or(path).to_owned()],
        ("netlink", [_, object, verb, ..]) => vec![format!("{object} {verb}")],
        ("mount", _) if call.starts_with("mount ") => mount(call),
        _ => vec![name.to_owned()],
    }
}

fn mount(call: &str) -> Vec<String> {
    let options = call.rsplit_once(" (").map(|(_, rest)| rest).unwrap_or_default();
    let first = options.split([',', ')', ' ']).next().unwrap_or_default();
    match first.strip_prefix("MS_") {
        Some(flags) => flags.split('|').map(|flag| format!("MS_{flag}")).collect(),
        None => vec![first.to_owned()],
    }
}

/// Returns the stages that the blocks of a chapter show the calls of, each block's.
///
/// # Errors
///
/// A block that is none.
pub fn shown(chapter: &str) -> Result<Vec<Vec<String>>> {
    let blocks = crate::console::blocks(chapter).context("find the blocks")?;
    let stages = blocks.iter().filter_map(stages);
    Ok(stages.map(|stages| stages.into_iter().map(str::to_owned).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str = "# Title

`pivot_root` is spoken of elsewhere.

## Calls {#calls}

```console
$ cargo diff 03 04 --calls --width 100
--- 03-pid
+++ 04-mount
  host  [STAGE]
-   clone(CLONE_NEWUTS)  new: uts                                      ns_start main.rs:55
+   clone(CLONE_NEWNS|NEWUTS)  new: mnt uts                            ns_start main.rs:55
+ container  ns_init
    chdir(/)
+   pivot_root(., .)                                                change_root main.rs:12
+   mount on / (MS_REC|PRIVATE)
+   mount devpts on 6=/tmp/busybox/dev/pts (devpts, MS_NOSUID|NOEXEC,
+       \"newinstance,ptmxmode=666,mode=620\")
+   write /proc/[PID]/uid_map \"0 0 1\"
+   netlink link add brg0 type bridge
+   exit(0)
```
";

    #[track_caller]
    fn misses(text: &str, expected: &[&str]) {
        let chapter = format!("{CHAPTER}\n{text}\n\n## More {{#more}}\n\n`devpts`\n");
        let missing = unexplained(&chapter).unwrap();
        let names: Vec<&str> = missing.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, expected);
        assert!(
            missing.iter().all(|(at, _)| chapter[*at..].starts_with("```console\n$ cargo diff"))
        );
    }

    #[test]
    fn a_call_that_no_sentence_of_its_section_speaks_of_is_missing() {
        let all = [
            "CLONE_NEWNS",
            "MS_PRIVATE",
            "MS_REC",
            "clone",
            "devpts",
            "link add",
            "pivot_root",
            "uid_map",
        ];
        misses("Here clone, mount and pivot_root are words.", &all);
        misses(
            "`CLONE_NEWNS`, clone(2), `ip link add`, `/proc/PID/uid_map`, `MS_REC` and `MS_PRIVATE`, `pivot_roots`.",
            &["devpts", "pivot_root"],
        );
        misses(
            "`CLONE_NEWNS`, `clone()`, `link add`, `uid_map`, `MS_REC|MS_PRIVATE`, pivot_root(2) and `devpts`.",
            &[],
        );
    }

    #[test]
    fn of_a_table_each_call_is_asked() {
        let table = "host  01-uts 26866
                                  execve(/target/debug/01-uts,
                                      [01-uts -c true])
  ns_run main.rs:40               clone(CLONE_NEWUTS) = 26868                        new: uts
  NewSession::lead leader.rs:46   setsid() = 26868                                 setsid(2), common
                                  exit(0)
Left out: 3 changes of the working directory. --all shows every call.";
        let lines: Vec<String> = table.lines().map(str::to_owned).collect();
        let asked: Vec<String> = asked(lines.iter()).into_iter().collect();
        assert_eq!(asked, ["CLONE_NEWUTS", "clone", "execve", "setsid"]);
    }

    #[test]
    fn stages_are_found_in_what_is_typed() {
        let typed = |line: &str| {
            let block = Block::parse("console", &format!("$ {line}\n"), 1).unwrap().unwrap();
            stages(&block).map(|stages| stages.join(" "))
        };
        let is = |stages: &str| Some(stages.to_owned());
        assert_eq!(typed("cargo diff 03 04 --calls --width 100 2>/dev/null"), is("03 04"));
        assert_eq!(
            typed("cargo as-root -p lens -- diff --width 100 07 08-cgroups"),
            is("07 08-cgroups")
        );
        assert_eq!(typed("cargo lens 01-uts -c true"), is("01-uts"));
        assert_eq!(typed("cargo diff 03 04"), None);
        assert_eq!(typed("cargo 05-user"), None);
    }
}
