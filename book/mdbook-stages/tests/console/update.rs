//! Writes what has come into a chapter.

use crate::values::Values;

/// Lines of a chapter, and what takes their place.
pub struct Correction {
    /// Number of the first line, from 1.
    line: usize,
    /// How many lines.
    count: usize,
    lines: Vec<String>,
}

impl Correction {
    /// Keeps the lines that are still right, with their names, and gives names to the values in new ones.
    pub fn new(
        expected: &[String],
        got: &[String],
        line: usize,
        values: &mut Values,
    ) -> Correction {
        let mut lines = Vec::new();
        let mut next = 0;
        for got in got {
            let known = (next..expected.len())
                .find(|number| values.accept(&expected[*number], got).is_ok());
            match known {
                Some(number) => {
                    lines.push(expected[number].clone());
                    next = number + 1;
                }
                None => lines.push(values.name(got)),
            }
        }
        Correction { line, count: expected.len(), lines }
    }
}

/// Returns the chapter with corrections, which are in the order of its lines.
pub fn apply(chapter: &str, corrections: &[Correction]) -> String {
    let mut lines: Vec<String> = chapter.lines().map(str::to_owned).collect();
    let mut corrections: Vec<&Correction> = corrections.iter().collect();
    corrections.sort_by_key(|correction| correction.line);
    for correction in corrections.into_iter().rev() {
        let start = correction.line - 1;
        lines.splice(start..start + correction.count, correction.lines.iter().cloned());
    }
    lines.join("\n") + "\n"
}
