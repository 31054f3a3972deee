//! Console blocks: what is typed in them, what must come, and how the book shows it.

use std::env;
use std::fmt::Write;
use std::ops::Range;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail, ensure};
use mdbook_markdown::pulldown_cmark::{CodeBlockKind, Event, Tag};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};
use regex::Regex;

use crate::words::Words;

/// A fenced block of the language `console`.
#[derive(Debug)]
pub struct Block {
    /// Whether it is the second terminal's.
    pub other: bool,
    /// On which version of cgroups it runs; None for both.
    pub cgroups: Option<Version>,
    /// Whether there is a picture of it, which shows a terminal.
    pub drawn: bool,
    /// A program without which it is left out.
    pub needs: Option<String>,
    /// Why it is not run.
    pub no_run: Option<String>,
    /// What happens in it.
    pub steps: Vec<Step>,
    /// Number of the line in the chapter with the first line of its text, from 1.
    pub line: usize,
}

/// A version of cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// cgroup v1
    V1,
    /// cgroup v2
    V2,
}

/// Something typed, and the output up to what is typed next.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// What is typed.
    pub input: Input,
    /// Lines that must come.
    pub output: Vec<String>,
    /// Number of its first line in the block, from 0.
    pub line: usize,
}

/// What can be typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing: the block begins with output that comes by itself.
    Nothing,
    /// A command, of one or more lines.
    Command {
        /// `$` or `#`
        prompt: char,
        /// Its lines, without prompts.
        lines: Vec<String>,
    },
    /// A key together with the control key.
    Control(char),
}

/// A name for a value that varies, in brackets.
pub static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[([A-Z][A-Z0-9_]*)\]").expect("a good expression"));

impl Block {
    /// Parses a block; `info` is what follows the fence. None if it is not of the language `console`.
    pub fn parse(info: &str, text: &str, line: usize) -> Result<Option<Block>> {
        let (language, options) = info.trim().split_once(' ').unwrap_or((info.trim(), ""));
        if language != "console" {
            return Ok(None);
        }
        let steps = steps(text)?;
        let mut block = Block {
            other: false,
            cgroups: None,
            drawn: false,
            needs: None,
            no_run: None,
            steps,
            line,
        };
        let (flags, reason) = match options.split_once("no-run") {
            Some((flags, reason)) => (flags, Some(reason)),
            None => (options, None),
        };
        let mut flags = flags.split_whitespace();
        while let Some(flag) = flags.next() {
            match flag {
                "needs" => {
                    let program = flags.next().context("`needs` has a program: `needs PROGRAM`")?;
                    block.needs = Some(program.to_owned());
                }
                "drawn" => block.drawn = true,
                "other" => block.other = true,
                "v1" => block.cgroups = Some(Version::V1),
                "v2" => block.cgroups = Some(Version::V2),
                _ => bail!(
                    "console blocks can be `drawn`, `other`, `v1`, `v2`, `needs PROGRAM` and `no-run: REASON`, not `{flag}`"
                ),
            }
        }
        // What a picture shows has happened.
        ensure!(!block.drawn || reason.is_none(), "a console block that is drawn is run");
        if let Some(reason) = reason {
            let reason = reason.strip_prefix(':').unwrap_or_default().trim();
            ensure!(
                !reason.is_empty(),
                "a console block with no-run has its reason: `no-run: REASON`"
            );
            block.no_run = Some(reason.to_owned());
        }
        Ok(Some(block))
    }

    /// Returns the program that it needs, if that is not in `PATH`.
    pub fn lacks(&self) -> Option<&str> {
        let path = env::var_os("PATH").unwrap_or_default();
        let has = |program: &str| {
            env::split_paths(&path).any(|directory| directory.join(program).is_file())
        };
        self.needs.as_deref().filter(|program| !has(program))
    }

    /// Returns the block as HTML.
    pub fn html(&self, words: &Words) -> String {
        let mut html = String::from("<figure class=\"console\">\n");
        let labels = [
            self.other.then_some(&words.second_terminal),
            self.cgroups.map(|version| match version {
                Version::V1 => &words.cgroup_v1,
                Version::V2 => &words.cgroup_v2,
            }),
        ];
        let needs = self.needs.as_ref().map(|program| format!("{}{program}", words.needs));
        let labels = labels.into_iter().flatten().chain(&needs);
        let labels: Vec<&str> = labels.map(String::as_str).collect();
        if !labels.is_empty() {
            let _ = writeln!(html, "<figcaption>{}</figcaption>", escape(&labels.join(", ")));
        }
        html.push_str("<pre><code class=\"nohighlight\">");
        for step in &self.steps {
            match &step.input {
                Input::Nothing => {}
                Input::Command { prompt, lines } => {
                    let mut prompt = *prompt;
                    for line in lines {
                        let _ = writeln!(
                            html,
                            "<span class=\"prompt\">{} </span><kbd>{}</kbd>",
                            escape(&prompt.to_string()),
                            with_names(line)
                        );
                        prompt = '>';
                    }
                }
                Input::Control(key) => {
                    let _ = writeln!(html, "<kbd>^{key}</kbd>");
                }
            }
            for line in &step.output {
                let _ = writeln!(html, "{}", with_names(line));
            }
        }
        html.push_str("</code></pre>\n</figure>\n");
        html
    }
}

/// Escapes text for HTML. Brackets and the like are no Markdown, where the block is HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn with_names(line: &str) -> String {
    NAME.replace_all(&escape(line), "<var>[$1]</var>").into_owned()
}

fn steps(text: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        // A prompt with nothing behind it is typed as well: an empty line.
        let command = |prompt: char| {
            line.strip_prefix(prompt)
                .and_then(|rest| if rest.is_empty() { Some("") } else { rest.strip_prefix(' ') })
        };
        let input = if let Some(command) = command('$') {
            Input::Command { prompt: '$', lines: vec![command.to_owned()] }
        } else if let Some(command) = command('#') {
            Input::Command { prompt: '#', lines: vec![command.to_owned()] }
        } else if let (true, Some(key)) = (line.len() == 2, line.strip_prefix('^')) {
            Input::Control(key.chars().next().unwrap_or_default())
        } else {
            match (steps.last_mut(), command('>')) {
                (Some(Step { input: Input::Command { lines, .. }, output, .. }), Some(more))
                    if output.is_empty() =>
                {
                    lines.push(more.to_owned());
                }
                (Some(last), _) => last.output.push(line.trim_end().to_owned()),
                (None, _) => {
                    let output = vec![line.trim_end().to_owned()];
                    steps.push(Step { input: Input::Nothing, output, line: number });
                }
            }
            continue;
        };
        steps.push(Step { input, output: Vec::new(), line: number });
    }
    ensure!(!steps.is_empty(), "an empty console block");
    Ok(steps)
}

/// Finds the console blocks of a chapter.
pub fn blocks(chapter: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for (info, range) in fenced(chapter) {
        let line = chapter[..range.start].matches('\n').count() + 2;
        blocks.extend(Block::parse(&info, body(&chapter[range]), line)?);
    }
    Ok(blocks)
}

/// Returns what the fenced blocks of a chapter say they are, and where they are.
fn fenced(chapter: &str) -> Vec<(String, Range<usize>)> {
    let events = new_cmark_parser(chapter, &MarkdownOptions::default()).into_offset_iter();
    let fenced = events.filter_map(|(event, range)| match event {
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => Some((info.into(), range)),
        _ => None,
    });
    fenced.collect()
}

/// Returns what is between the fences of a block.
pub fn body(block: &str) -> &str {
    let start = block.find('\n').map_or(block.len(), |end| end + 1);
    let text = &block[start..];
    let end = text.trim_end().rfind('\n').map_or(0, |end| end + 1);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str = "# Title

```console
$ echo a
> echo b
a
> c

# exit
^C
```

```text
$ no
```

````console other v2
left
````

```console no-run: needs Docker
$ docker
```
";

    #[test]
    fn blocks_have_steps() {
        let blocks = blocks(CHAPTER).unwrap();
        assert_eq!(blocks.len(), 3);
        assert_eq!(blocks[0].line, 4);
        let lines = vec!["echo a".into(), "echo b".into()];
        let command = Input::Command { prompt: '$', lines };
        let output = vec!["a".into(), "> c".into(), String::new()];
        assert_eq!(blocks[0].steps[0], Step { input: command, output, line: 0 });
        assert_eq!(blocks[0].steps[2].input, Input::Control('C'));
        assert!(blocks[1].other && blocks[1].cgroups == Some(Version::V2));
        let output = vec!["left".into()];
        assert_eq!(blocks[1].steps, [Step { input: Input::Nothing, output, line: 0 }]);
        assert_eq!(blocks[2].no_run.as_deref(), Some("needs Docker"));
    }

    #[test]
    fn options_that_do_not_exist_are_refused() {
        for (info, words) in [
            ("console user", "user"),
            ("console no-run", "reason"),
            ("console needs", "PROGRAM"),
            ("console drawn no-run: x", "is run"),
        ] {
            let error = Block::parse(info, "$ a", 1).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(Block::parse("rust", "$ a", 1).unwrap().is_none());
    }

    #[test]
    fn html_is_escaped() {
        let block = Block::parse("console other", "$ a <b>\nuts:[UTS] & c\n", 1).unwrap().unwrap();
        let html = block.html(&Words::default());
        assert!(html.contains("<figcaption>in a second terminal</figcaption>"), "{html}");
        assert!(html.contains("<kbd>a &lt;b&gt;</kbd>\nuts:<var>[UTS]</var> &amp; c\n"), "{html}");
        let block = Block::parse("console other needs sh", "$ a\n", 1).unwrap().unwrap();
        assert_eq!((block.needs.as_deref(), block.lacks()), (Some("sh"), None));
        let html = block.html(&Words::default());
        assert!(html.contains("<figcaption>in a second terminal, takes sh</figcaption>"), "{html}");
    }
}
