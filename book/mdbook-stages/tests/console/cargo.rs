//! What `cargo` is in the throw-away host: it runs programs that are built already.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use toml::{Table, Value};

/// A package, and its program.
pub struct Package {
    pub name: String,
    pub program: String,
}

/// Returns the packages that the book runs: the stages and their tools.
pub fn packages(workspace: &Path) -> Result<Vec<Package>> {
    let manifest = read(&workspace.join("Cargo.toml"))?;
    let members = manifest.get("workspace").and_then(|table| table.get("members"));
    let members = members.and_then(Value::as_array).context("no members")?;
    let is_ours = |folder: &str| {
        ["tools/doctor", "tools/lens", "tools/bundle", "tools/by-hand"].contains(&folder)
            || folder.starts_with(|first: char| first.is_ascii_digit())
    };
    let mut packages = Vec::new();
    for folder in members.iter().filter_map(Value::as_str).filter(|folder| is_ours(folder)) {
        let manifest = read(&workspace.join(folder).join("Cargo.toml"))?;
        let name = manifest["package"].get("name").and_then(Value::as_str).context("no name")?;
        let program = manifest.get("bin").and_then(|programs| programs[0]["name"].as_str());
        let program = program.unwrap_or(name).to_owned();
        packages.push(Package { name: name.to_owned(), program });
    }
    Ok(packages)
}

fn read(file: &Path) -> Result<Table> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    text.parse().with_context(|| format!("parse {}", file.display()))
}

/// What of the command line matters here.
#[derive(Default)]
struct Options {
    quiet: bool,
    package: Option<String>,
    runner: Vec<String>,
    args: Vec<String>,
}

/// Executes a program, by way of the aliases of .cargo/config.toml.
pub fn main(_: &()) -> Result<ExitCode> {
    let here = env::current_dir().context("find the current directory")?;
    let workspace =
        here.ancestors().find(|directory| directory.join(".cargo/config.toml").exists());
    let workspace = workspace.context("could not find `Cargo.toml`")?;
    let config = read(&workspace.join(".cargo/config.toml"))?;
    let options = parse(env::args().skip(1).collect(), &config)?;
    // What cargo says while it builds is not what a chapter can show.
    ensure!(options.quiet, "in the book's tests cargo runs with -q only");
    let package = options.package.context("in the book's tests cargo runs with -p PACKAGE only")?;
    let known = packages(workspace)?;
    let known = known.into_iter().find(|known| known.name == package);
    let program = known.with_context(|| format!("no package {package}"))?.program;
    let program = workspace.join("target/debug").join(program);
    // As cargo does it.
    let program = program.strip_prefix(&here).map_or(program.clone(), PathBuf::from);
    let mut words = options.runner;
    words.push(program.to_string_lossy().into_owned());
    words.extend(options.args);
    Err(Command::new(&words[0]).args(&words[1..]).exec()).context("execute the program")
}

fn parse(words: Vec<String>, config: &Table) -> Result<Options> {
    let mut options = Options::default();
    let mut words = words;
    let mut in_run = false;
    while !words.is_empty() {
        let word = words.remove(0);
        let mut value = || -> Result<String> {
            ensure!(!words.is_empty(), "{word} takes a value");
            Ok(words.remove(0))
        };
        match word.as_str() {
            "-q" | "--quiet" => {
                ensure!(!options.quiet, "the argument '--quiet' cannot be used multiple times");
                options.quiet = true;
            }
            "--config" => options.configure(&value()?)?,
            "-p" | "--package" if in_run => options.package = Some(value()?),
            "--" if in_run => {
                options.args = words;
                break;
            }
            _ if word.starts_with('-') => bail!("in the book's tests cargo does not know {word}"),
            _ if in_run => {
                options.args = [vec![word], words].concat();
                break;
            }
            "run" => in_run = true,
            _ => words = [alias(&word, config)?, words].concat(),
        }
    }
    ensure!(in_run, "in the book's tests cargo can only run");
    Ok(options)
}

fn alias(name: &str, config: &Table) -> Result<Vec<String>> {
    let alias = config.get("alias").and_then(|aliases| aliases.get(name));
    let words = match alias.with_context(|| format!("no such command: `{name}`"))? {
        Value::String(words) => words.split(' ').map(str::to_owned).collect(),
        Value::Array(words) => words.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => bail!("the alias {name} is neither a string nor an array"),
    };
    Ok(words)
}

impl Options {
    /// Reads `target.'cfg(...)'.runner=[...]`. What the progress of a build looks like is nothing here.
    fn configure(&mut self, config: &str) -> Result<()> {
        let config: Table = config.parse().context("parse --config")?;
        if config.contains_key("term") {
            return Ok(());
        }
        let targets = config.get("target").and_then(Value::as_table).context("no target")?;
        let runner = targets.values().find_map(|target| target.get("runner")?.as_array());
        let runner = runner.context("no runner")?.iter();
        self.runner = runner.filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(())
    }
}
