//! Names for values that vary: within a chapter one name is one value, and two names are two values.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use mdbook_stages::console::NAME;
use regex::Regex;

/// What the names of a chapter stand for.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<String, String>);

/// Values with fewer characters can stand in a line by accident.
const TELLING: usize = 3;

impl Values {
    /// Puts values in the place of names in a command.
    pub fn fill(&self, command: &str) -> Result<String> {
        let mut filled = String::new();
        let mut end = 0;
        for name in NAME.captures_iter(command) {
            let whole = name.get(0).expect("the match");
            let value = self.0.get(&name[1]);
            filled.push_str(&command[end..whole.start()]);
            filled.push_str(value.with_context(|| format!("[{}] has no value yet", &name[1]))?);
            end = whole.end();
        }
        filled.push_str(&command[end..]);
        Ok(filled)
    }

    /// Checks that a line is as the book has it, and keeps the values of names that are new.
    pub fn accept(&mut self, expected: &str, got: &str) -> Result<()> {
        let mut pattern = String::from("^");
        let mut names: Vec<&str> = Vec::new();
        let mut end = 0;
        for name in NAME.captures_iter(expected) {
            let whole = name.get(0).expect("the match");
            pattern.push_str(&regex::escape(&expected[end..whole.start()]));
            let name = name.get(1).expect("the name").as_str();
            match self.0.get(name) {
                Some(value) => pattern.push_str(&regex::escape(value)),
                None => {
                    pattern.push_str(r"(\S+)");
                    names.push(name);
                }
            }
            end = whole.end();
        }
        pattern.push_str(&regex::escape(&expected[end..]));
        pattern.push('$');
        let pattern = Regex::new(&pattern).context("a line that can be compared")?;
        let found = pattern.captures(got);
        let found = found.with_context(|| format!("expected  {}", self.explain(expected)))?;
        let mut new = self.clone();
        for (number, name) in names.iter().enumerate() {
            new.bind(name, &found[number + 1])?;
        }
        *self = new;
        Ok(())
    }

    fn bind(&mut self, name: &str, value: &str) -> Result<()> {
        if let Some(known) = self.0.get(name) {
            ensure!(known == value, "[{name}] is {known} and {value}: one name, one value");
        }
        let other = self.0.iter().find(|(other, known)| *other != name && *known == value);
        if let Some((other, _)) = other {
            ensure!(false, "[{name}] and [{other}] are both {value}: two names, two values");
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// A line with the values of the names that have one.
    fn explain(&self, line: &str) -> String {
        let mut explained = line.to_owned();
        for (name, value) in &self.0 {
            explained = explained.replace(&format!("[{name}]"), value);
        }
        if explained == line { line.to_owned() } else { format!("{line}  (here: {explained})") }
    }

    /// Puts names in the place of values in a line that is new in the book. The numbers of namespaces get
    /// names even if they are new.
    pub fn name(&mut self, line: &str) -> String {
        let mut named = line.to_owned();
        for (name, value) in self.0.iter().filter(|(_, value)| value.len() >= TELLING) {
            let alone = Regex::new(&format!(r"\b{}\b", regex::escape(value))).expect("escaped");
            // In a namespace's link the number has brackets of its own, which are the name's.
            named = named.replace(&format!("[{value}]"), &format!("[{name}]"));
            named = alone.replace_all(&named, format!("[{name}]")).into_owned();
        }
        let link = Regex::new(r"\b([a-z]+):\[(\d+)\]").expect("a good expression");
        while let Some(found) = link.captures(&named) {
            let (kind, value) = (found[1].to_uppercase(), found[2].to_owned());
            let free = |name: &String| !self.0.contains_key(name);
            let mut names = (1..).map(|number| match number {
                1 => kind.clone(),
                _ => format!("{kind}_{number}"),
            });
            let name = names.find(free).expect("there is no end of them");
            named = named.replace(&format!("[{value}]"), &format!("[{name}]"));
            // It has not been there before.
            self.0.insert(name, value);
        }
        named
    }
}
