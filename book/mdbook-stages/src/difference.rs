//! What changes in a file from one stage to the next, item by item.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use similar::{ChangeTag, TextDiff};

use crate::source::Source;

/// The same file of two stages, as one text with signs.
#[derive(Debug)]
pub struct Difference {
    /// Whether the older stage has no such file.
    pub is_new: bool,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    sign: char,
    text: String,
    /// Number in the older and in the newer file, from 0.
    old: Option<usize>,
    new: Option<usize>,
    item: String,
    place: Place,
}

/// Where a line goes: after which line of the newer file, and there in which order.
type Place = (usize, usize);

/// Lines around a change that help to see where it is.
const CONTEXT: usize = 3;

/// An item with no more lines than this is shown whole.
const SHORT: usize = 14;

impl Difference {
    /// Compares two states of a file. What has moved is no difference that could be shown, so it is refused.
    pub fn between(old: Option<&Source>, new: &Source) -> Result<Difference> {
        let nothing = Source::default();
        let is_new = old.is_none();
        let old = old.unwrap_or(&nothing);
        refuse_moves(old, new)?;
        let mut lines = Vec::new();
        // Items that are gone stay behind the one that they followed.
        let mut last = 0;
        for item in &old.items {
            match new.item(&item.name) {
                Some(newer) => last = newer.lines.last().map_or(last, |line| line + 1),
                None => compare(old, new, &item.name, last, &mut lines),
            }
        }
        for item in &new.items {
            compare(old, new, &item.name, item.lines[0], &mut lines);
        }
        lines.sort_by_key(|line| line.place);
        Ok(Difference { is_new, lines })
    }

    /// The difference between a file and itself.
    pub fn none() -> Difference {
        Difference { is_new: false, lines: Vec::new() }
    }

    /// Returns the names of the items with changes.
    pub fn changed(&self) -> BTreeSet<&str> {
        let changed = self.lines.iter().filter(|line| line.sign != ' ');
        changed.map(|line| line.item.as_str()).collect()
    }

    /// Returns these items as text: with signs, or, where all is new, as it is in the file.
    pub fn show(&self, items: &BTreeSet<&str>) -> String {
        let wanted: Vec<&Line> =
            self.lines.iter().filter(|line| items.contains(line.item.as_str())).collect();
        let visible: Vec<bool> = (0..wanted.len()).map(|at| is_visible(&wanted, at)).collect();
        let mut text = String::new();
        let mut last: Option<usize> = None;
        for at in (0..wanted.len()).filter(|at| visible[*at]) {
            let line = wanted[at];
            if let Some(last) = last {
                let hidden = at > last + 1;
                self.between_lines(&mut text, wanted[last], line, hidden, || {
                    header(&wanted[at..], &visible[at..])
                });
            }
            self.push(&mut text, line.sign, &line.text);
            last = Some(at);
        }
        text
    }

    fn push(&self, text: &mut String, sign: char, line: &str) {
        if !self.is_new {
            text.push(sign);
        }
        text.push_str(line);
        text.push('\n');
    }

    /// Writes what is between two lines that are shown: nothing, a blank line, or the sign of a gap.
    fn between_lines(
        &self,
        text: &mut String,
        line: &Line,
        next: &Line,
        hidden: bool,
        header: impl Fn() -> String,
    ) {
        let others =
            self.lines.iter().any(|other| other.place > line.place && other.place < next.place);
        if !self.is_new && (hidden || others) {
            text.push_str(&header());
            return;
        }
        let distance = |of: fn(&Line) -> Option<usize>| Some(of(next)?.abs_diff(of(line)?));
        if others || distance(|line| line.new).or(distance(|line| line.old)) > Some(1) {
            let sign = if line.sign == next.sign { line.sign } else { ' ' };
            self.push(text, sign, "");
        } else if line.item != next.item && line.sign != next.sign {
            // One of them is in the older file alone, the other in the newer.
            self.push(text, ' ', "");
        }
    }
}

/// Whether a line is shown: changes are, what is close to them, and the line that says what item it is.
fn is_visible(lines: &[&Line], at: usize) -> bool {
    let same_item = |other: &&&Line| other.item == lines[at].item;
    if lines.iter().filter(same_item).count() <= SHORT {
        return true;
    }
    let around = &lines[at.saturating_sub(CONTEXT)..lines.len().min(at + CONTEXT + 1)];
    let is_close = around.iter().filter(same_item).any(|line| line.sign != ' ');
    is_close || is_signature(lines, at)
}

/// Whether this is the first line of its item that is neither documentation nor an attribute.
fn is_signature(lines: &[&Line], at: usize) -> bool {
    let is_head = |line: &Line| {
        let text = line.text.trim_start();
        line.item != "use" && !text.starts_with("//") && !text.starts_with('#')
    };
    let item = &lines[at].item;
    is_head(lines[at])
        && !lines[..at].iter().any(|line| line.item == *item && is_head(line) && line.sign != '-')
}

/// The header of a hunk, as diff(1) has it. The lines begin with those of the hunk.
fn header(lines: &[&Line], visible: &[bool]) -> String {
    let mut hunk: Vec<&Line> = Vec::new();
    for (line, visible) in lines.iter().zip(visible) {
        let follows = hunk.last().is_none_or(|last| {
            let next = |of: fn(&Line) -> Option<usize>| {
                of(last).zip(of(line)).is_none_or(|(last, line)| line <= last + 2)
            };
            next(|line| line.old) && next(|line| line.new)
        });
        if !visible || !follows {
            break;
        }
        hunk.push(line);
    }
    let range = |of: fn(&Line) -> Option<usize>| {
        let numbers: Vec<usize> = hunk.iter().filter_map(|line| of(line)).collect();
        match (numbers.first(), numbers.last()) {
            (Some(first), Some(last)) => format!("{},{}", first + 1, last - first + 1),
            _ => "0,0".to_owned(),
        }
    };
    format!("@@ -{} +{} @@\n", range(|line| line.old), range(|line| line.new))
}

/// Compares one item, which takes the place of line `place` of the newer file if it is not in there.
fn compare(old: &Source, new: &Source, item: &str, place: usize, lines: &mut Vec<Line>) {
    let of = |source: &Source| -> (Vec<usize>, Vec<String>) {
        let numbers = source.item(item).map(|item| item.lines.clone()).unwrap_or_default();
        let texts = numbers.iter().map(|number| source.lines[*number].clone()).collect();
        (numbers, texts)
    };
    let ((old_numbers, old_texts), (new_numbers, new_texts)) = (of(old), of(new));
    let old_texts: Vec<&str> = old_texts.iter().map(String::as_str).collect();
    let new_texts: Vec<&str> = new_texts.iter().map(String::as_str).collect();
    // After the lines that go before this one, whatever their number.
    let mut at = (place, usize::MAX / 2);
    for change in TextDiff::from_slices(&old_texts, &new_texts).iter_all_changes() {
        let old = change.old_index().map(|index| old_numbers[index]);
        let new = change.new_index().map(|index| new_numbers[index]);
        at = match new {
            Some(number) => (number + 1, 0),
            None => (at.0, at.1 + 1),
        };
        let sign = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        let text = change.value().to_owned();
        lines.push(Line { sign, text, old, new, item: item.to_owned(), place: at });
    }
}

/// Returns an error when items that both have are in another order.
fn refuse_moves(old: &Source, new: &Source) -> Result<()> {
    let common = |of: &Source, other: &Source| -> Vec<String> {
        let names = of.items.iter().map(|item| item.name.clone());
        names.filter(|name| other.item(name).is_some()).collect()
    };
    let (old_order, new_order) = (common(old, new), common(new, old));
    let moved = old_order.iter().zip(&new_order).find(|(old, new)| old != new);
    if let Some((old, new)) = moved {
        ensure!(false, "{old} and {new} have changed places: a stage moves nothing");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(old: &str, new: &str) -> Result<Difference> {
        let parse = |text| Source::parse("main.rs", text).unwrap();
        Difference::between(Some(&parse(old)), &parse(new))
    }

    const OLD: &str = "//! One.

use a::b;

/// Gone.
fn gone() {}

fn kept() {
    one();
    two();
}
";
    const NEW: &str = "//! Two.

use a::b;
use c::d;

fn kept() {
    one();
    three();
}

/// New.
fn new() {}
";

    #[test]
    fn items_are_compared_with_their_own_older_selves() {
        let difference = difference(OLD, NEW).unwrap();
        let changed = difference.changed();
        assert_eq!(Vec::from_iter(changed.clone()), ["//!", "gone", "kept", "new", "use"]);
        let show = |items: &[&str]| difference.show(&items.iter().copied().collect());
        assert_eq!(show(&["kept"]), " fn kept() {\n     one();\n-    two();\n+    three();\n }\n");
        assert_eq!(show(&["new"]), "+/// New.\n+fn new() {}\n");
        assert_eq!(show(&["gone"]), "-/// Gone.\n-fn gone() {}\n");
        assert_eq!(
            difference.show(&changed),
            "-//! One.\n+//! Two.\n \n use a::b;\n+use c::d;\n \n-/// Gone.\n-fn gone() {}\n \n \
             fn kept() {\n     one();\n-    two();\n+    three();\n }\n \n+/// New.\n+fn new() {}\n"
        );
    }

    #[test]
    fn what_is_left_out_is_marked() {
        let body: String = (0..20).map(|number| format!("    call({number});\n")).collect();
        let old = format!("fn f() {{\n{body}}}\n");
        let new = old.replace("call(3)", "called(3)").replace("    call(18);\n", "");
        let difference = difference(&old, &new).unwrap();
        let text = difference.show(&["f"].into());
        assert!(text.contains("    call(6);\n@@ -17,6 +17,5 @@\n     call(15);\n"), "{text}");
        assert!(text.starts_with(" fn f() {\n"), "{text}");
    }

    #[test]
    fn what_has_moved_is_refused() {
        let error = difference("fn a() {}\nfn b() {}\n", "fn b() {}\nfn a() {}\n").unwrap_err();
        assert!(error.to_string().contains("a and b have changed places"), "{error}");
    }

    #[test]
    fn a_new_file_has_no_signs() {
        let source = Source::parse("main.rs", "fn a() {}\n\nfn b() {}\n\nfn c() {}\n").unwrap();
        let difference = Difference::between(None, &source).unwrap();
        assert!(difference.is_new);
        assert_eq!(difference.show(&["a", "b"].into()), "fn a() {}\n\nfn b() {}\n");
        assert_eq!(difference.show(&["a", "c"].into()), "fn a() {}\n\nfn c() {}\n");
    }
}
