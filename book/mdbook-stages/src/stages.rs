//! The stages' files, what changes from each to the next, and what of that the book has shown.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, ensure};

use crate::difference::Difference;
use crate::source::Source;

/// A workspace with stages: folders whose names begin with a number of two digits.
pub struct Stages {
    root: PathBuf,
    folders: Vec<String>,
    /// What has been parsed already: by path.
    sources: RefCell<BTreeMap<String, Rc<Source>>>,
    /// What has been compared already: by stage and file.
    known: RefCell<BTreeMap<(String, String), Rc<Difference>>>,
    /// How often the chapters show an item: by stage, file and item.
    shown: BTreeMap<(String, String, String), Vec<String>>,
}

impl Stages {
    /// Finds the stages below the workspace's root.
    pub fn find(root: &Path) -> Result<Stages> {
        let entries = fs::read_dir(root).with_context(|| format!("read {}", root.display()))?;
        let is_stage = |name: &str| {
            let digits = name.split('-').next().unwrap_or_default();
            digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit())
        };
        let mut folders: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| is_stage(name) && root.join(name).is_dir())
            .collect();
        folders.sort();
        Ok(Stages {
            root: root.to_owned(),
            folders,
            sources: RefCell::default(),
            known: RefCell::default(),
            shown: BTreeMap::new(),
        })
    }

    /// The names of the stages, in their order.
    pub fn names(&self) -> &[String] {
        &self.folders
    }

    /// Whether there is a stage of this name.
    pub fn has(&self, stage: &str) -> bool {
        self.folders.iter().any(|folder| folder == stage)
    }

    /// Reads a file of the workspace.
    pub fn read(&self, path: &str) -> Result<String> {
        ensure!(
            Path::new(path)
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_))),
            "{path} is not below the workspace"
        );
        fs::read_to_string(self.root.join(path)).with_context(|| format!("read {path}"))
    }

    /// Parses a file of the workspace.
    pub fn source(&self, path: &str) -> Result<Rc<Source>> {
        if let Some(known) = self.sources.borrow().get(path) {
            return Ok(known.clone());
        }
        let source = Rc::new(Source::parse(path, &self.read(path)?)?);
        self.sources.borrow_mut().insert(path.to_owned(), source.clone());
        Ok(source)
    }

    /// Returns the stage before; None for the first.
    pub fn older(&self, stage: &str) -> Result<Option<&str>> {
        let at = self.folders.iter().position(|folder| folder == stage);
        let at = at.with_context(|| format!("no stage {stage}: {}", self.folders.join(", ")))?;
        Ok(at.checked_sub(1).map(|older| self.folders[older].as_str()))
    }

    /// Compares a file of a stage with the one of the stage before.
    pub fn difference(&self, stage: &str, file: &str) -> Result<Rc<Difference>> {
        let key = (stage.to_owned(), file.to_owned());
        if let Some(known) = self.known.borrow().get(&key) {
            return Ok(known.clone());
        }
        let difference = self.compare(stage, file);
        let difference = Rc::new(difference.with_context(|| format!("{stage}/{file}"))?);
        self.known.borrow_mut().insert(key, difference.clone());
        Ok(difference)
    }

    fn compare(&self, stage: &str, file: &str) -> Result<Difference> {
        let source = |stage: &str| -> Result<Option<Rc<Source>>> {
            let path = format!("{stage}/{file}");
            if self.root.join(&path).is_file() { self.source(&path).map(Some) } else { Ok(None) }
        };
        let older = self.older(stage)?;
        let old = older.map(source).transpose()?.flatten();
        let new = source(stage)?;
        ensure!(new.is_some() || old.is_some(), "no file {stage}/{file}, nor in the stage before");
        let nothing = Source::default();
        let (old, new) = (old.as_deref(), new.as_deref().unwrap_or(&nothing));
        if old.is_some_and(|old| old.lines == new.lines) {
            return Ok(Difference::none());
        }
        Difference::between(old, new)
    }

    /// Notes that a chapter shows an item.
    pub fn note(&mut self, chapter: &str, stage: &str, file: &str, item: &str) {
        let key = (stage.to_owned(), file.to_owned(), item.to_owned());
        self.shown.entry(key).or_default().push(chapter.to_owned());
    }

    /// Returns what is wrong: changed items of these stages that the book shows nowhere, and any that it shows
    /// more than once.
    pub fn problems(&self, with_chapter: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for stage in self.folders.iter().filter(|stage| with_chapter(stage)) {
            for file in self.files(stage)? {
                let difference = self.difference(stage, &file)?;
                let missing: Vec<&str> = difference
                    .changed()
                    .into_iter()
                    .filter(|item| {
                        let key = (stage.clone(), file.clone(), (*item).to_owned());
                        !self.shown.contains_key(&key)
                    })
                    .collect();
                if !missing.is_empty() {
                    let missing = missing.join(", ");
                    problems.push(format!(
                        "{stage}.md: no chapter shows what changes in {{{{#diff {stage} {file}: {missing}}}}}"
                    ));
                }
            }
        }
        for ((stage, file, item), chapters) in &self.shown {
            if chapters.len() > 1 {
                problems.push(format!(
                    "{}: {item} of {stage}/{file} is shown {} times ({})",
                    chapters[1],
                    chapters.len(),
                    chapters.join(", ")
                ));
            }
        }
        Ok(problems)
    }

    /// Returns the files of a stage, and those that only the one before has.
    fn files(&self, stage: &str) -> Result<BTreeSet<String>> {
        let mut files = BTreeSet::new();
        for stage in [Some(stage), self.older(stage)?].into_iter().flatten() {
            let stage = self.root.join(stage);
            let mut directories = vec![stage.join("src")];
            while let Some(directory) = directories.pop() {
                for entry in fs::read_dir(&directory).into_iter().flatten() {
                    let path = entry?.path();
                    if path.is_dir() {
                        directories.push(path);
                    } else {
                        let path = path.strip_prefix(&stage).expect("it is below");
                        files.insert(path.to_string_lossy().into_owned());
                    }
                }
            }
            if stage.join("Cargo.toml").exists() {
                files.insert("Cargo.toml".into());
            }
        }
        Ok(files)
    }
}
