//! Types a chapter's blocks, and compares what comes with what the book has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use mdbook_stages::calls::is_traced;
use mdbook_stages::console::{Block, Input, Step, Version, blocks};
use nix::unistd::{alarm, getpid};

use crate::host::CHAPTER;
use crate::terminal::Terminal;
use crate::update::{Correction, apply};
use crate::values::Values;

/// Seconds after which a chapter is stuck.
const TIMEOUT: u32 = 300;

/// The argument that asks for the chapter as it should be.
pub const UPDATE: &str = "update";

/// The argument by which blocks that trace are left out.
pub const UNTRACED: &str = "untraced";

/// After so many differences the rest follow from them.
const ENOUGH: usize = 5;

/// The third: somebody who reads the chapter, and types.
pub fn main(_: &()) -> Result<ExitCode> {
    alarm::set(TIMEOUT);
    let text = fs::read_to_string(CHAPTER).context("read the chapter")?;
    let name = env::args().nth(1).context("usage")?;
    let workspace = env::args().nth(2).context("usage")?;
    let name = Path::new(&name);
    let name = name.strip_prefix(&workspace).unwrap_or(name).display().to_string();
    let mode = env::args().nth(4).context("usage")?;
    let here = blocks(&text)?.into_iter().filter(|block| {
        block.no_run.is_none()
            && block.lacks().is_none()
            && block.cgroups.is_none_or(|version| version == cgroups())
            && !(mode == UNTRACED && is_traced(block))
    });
    let updates = mode == UPDATE;
    let mut session = Session { name, updates, ..Session::default() };
    if let Err(error) = session.run(&here.collect::<Vec<_>>()) {
        session.failures.push(format!("{error:#}"));
    }
    if !session.failures.is_empty() {
        // Many lines, and an error is one.
        eprintln!("{}", session.failures.join("\n"));
        bail!("the book and the machine differ");
    }
    if updates {
        print!("{}", apply(&text, &session.corrections));
    }
    Ok(ExitCode::SUCCESS)
}

/// The version of cgroups that counts processes here.
fn cgroups() -> Version {
    let is_v2 = testbed::cgroup::of(getpid())
        .is_some_and(|cgroup| cgroup.join("cgroup.controllers").exists());
    if is_v2 { Version::V2 } else { Version::V1 }
}

#[derive(Default)]
struct Session {
    name: String,
    updates: bool,
    terminals: BTreeMap<bool, Terminal>,
    values: Values,
    failures: Vec<String>,
    corrections: Vec<Correction>,
}

impl Session {
    fn run(&mut self, blocks: &[Block]) -> Result<()> {
        let steps: Vec<(&Block, &Step)> = blocks
            .iter()
            .flat_map(|block| block.steps.iter().map(move |step| (block, step)))
            .collect();
        for (number, (block, step)) in steps.iter().enumerate() {
            // A command goes on if a key, or nothing, is what comes next in its terminal.
            let next = steps[number + 1..].iter().find(|(next, _)| next.other == block.other);
            let goes_on =
                next.is_some_and(|(_, next)| !matches!(next.input, Input::Command { .. }));
            let line = block.line + step.line;
            self.step(block.other, step, line, goes_on)
                .with_context(|| format!("{}:{line}", self.name))?;
            if self.failures.len() >= ENOUGH {
                break;
            }
        }
        Ok(())
    }

    fn step(&mut self, other: bool, step: &Step, line: usize, goes_on: bool) -> Result<()> {
        let terminal = match self.terminals.entry(other) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => place.insert(Terminal::open()?),
        };
        let mut typed = 1;
        match &step.input {
            Input::Nothing => typed = 0,
            Input::Command { prompt, lines } => {
                let lines: Vec<String> =
                    lines.iter().map(|line| self.values.fill(line)).collect::<Result<_>>()?;
                typed = lines.len();
                terminal.command(*prompt, &lines)?;
            }
            Input::Control(key) => terminal.control(*key)?,
        }
        let got = if goes_on {
            terminal.partial_output(step.output.len())?
        } else {
            terminal.output()?
        };
        self.compare(step, &got, line + typed);
        Ok(())
    }

    /// Compares the output of a step; `line` is the number of its first line in the chapter.
    fn compare(&mut self, step: &Step, got: &[String], line: usize) {
        if self.updates {
            self.corrections.push(Correction::new(&step.output, got, line, &mut self.values));
            return;
        }
        let length = step.output.len().max(got.len());
        for number in 0..length {
            let problem = match (step.output.get(number), got.get(number)) {
                (Some(expected), Some(got)) => match self.values.accept(expected, got) {
                    Ok(()) => continue,
                    Err(error) => format!("{error:#}\n    got       {got}"),
                },
                (Some(expected), None) => {
                    format!("expected  {expected}\n    got       nothing more")
                }
                (None, Some(got)) => format!("expected  nothing more\n    got       {got}"),
                (None, None) => continue,
            };
            let mut failure = format!("{}:{}:\n    {problem}\n", self.name, line + number);
            if got.len() > 1 {
                let _ = writeln!(failure, "    of\n        {}", got.join("\n        "));
            }
            self.failures.push(failure);
            return;
        }
    }
}
