//! What the doctor prints, taken apart.

use std::process::Command;

use conformance::{Output, Stage, advice};

/// The stages that an ordinary test host can run, without a cgroup.
pub const ALL_BUT_CGROUPS: [(&str, &str); 7] = [
    ("01-uts", "ready"),
    ("02-uts-hostname", "ready"),
    ("03-pid", "ready"),
    ("04-mount", "ready"),
    ("05-user", "ready"),
    ("06-network", "ready"),
    ("07-ipc", "ready"),
];

/// What a run of the doctor has printed.
#[derive(Debug)]
pub struct Report {
    pub text: String,
    pub code: i32,
}

impl Report {
    #[track_caller]
    pub fn of(command: &mut Command) -> Report {
        let output = Output::of(command);
        assert_eq!(output.stderr, "", "{}", output.stdout);
        Report { text: output.stdout, code: output.code }
    }

    /// Runs the doctor with nothing in its way but what is there.
    #[track_caller]
    pub fn now(stage: &Stage) -> Report {
        Report::of(&mut stage.command())
    }

    /// Returns what the table says of the stage in this folder: `ready`, `sudo`, `root` or `no`, and the rest.
    #[track_caller]
    pub fn row(&self, folder: &str) -> (&str, &str) {
        let row = self.text.lines().find_map(|line| line.strip_prefix(folder)).map(str::trim);
        let row = row.unwrap_or_else(|| panic!("no row for {folder}: {}", self.text));
        let (state, rest) = row.split_once(' ').unwrap_or((row, ""));
        (state, rest.trim())
    }

    #[track_caller]
    pub fn assert_states(&self, states: &[(&str, &str)]) {
        for (folder, state) in states {
            assert_eq!(self.row(folder).0, *state, "{folder} in\n{}", self.text);
        }
    }

    /// Asserts that a stage does not run, and that the cause has this title, and all of these words below it.
    #[track_caller]
    pub fn assert_cause(&self, folder: &str, title: &str, words: &[&str]) {
        let (_, why) = self.row(folder);
        let number = why.rsplit(['(', ' ']).next().unwrap_or_default().trim_end_matches(')');
        let heading = format!("\n{number}. {title} (stage ");
        let found = self.text.find(&heading);
        let cause = &self.text[found.unwrap_or_else(|| panic!("no {heading:?}: {}", self.text))..];
        let cause = cause.split("\n   More: ").next().unwrap_or_default();
        // Wrapped lines are one text.
        let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(cause.contains(word), "{word:?} is not in {cause}");
        }
    }

    /// Returns the commands that are advised, in their order, without sudo.
    pub fn commands(&self) -> Vec<String> {
        let indented = self.text.lines().filter_map(|line| line.strip_prefix("       "));
        let commands =
            indented.filter(|line| !line.starts_with([' ']) && !line.starts_with("gives up:"));
        commands.map(|command| command.replace("sudo ", "")).collect()
    }
}

/// Runs a shell script; `$0` in it is the doctor.
#[track_caller]
pub fn sh(stage: &Stage, script: &str) -> String {
    Output::of(Command::new("sh").args(["-c", script]).arg(&stage.program)).ok()
}

/// Runs the doctor twice in a shell: after `provoke`, and once more after the first command that it advises, if that is one
/// of those that a test follows.
///
/// - `with`: a program, and its arguments, that the shell is started with.
#[track_caller]
pub fn before_and_after(stage: &Stage, with: &[&str], provoke: &str) -> (Report, Report) {
    let follow = advice::PROGRAM;
    advice::install();
    let script = format!(
        r#"set -e
        {{ {provoke}; }} >/dev/null
        "$0" >/tmp/before || true
        advice=$(sed -n 's/^       \([^ ]\)/\1/p' /tmp/before | grep -v '^gives up' | head -n 1)
        {follow} "$advice" >/dev/null
        "$0" >/tmp/after && echo 0 || echo $?"#
    );
    let mut words = with.to_vec();
    words.extend(["sh", "-c", script.as_str()]);
    let output = Output::of(Command::new(words[0]).args(&words[1..]).arg(&stage.program));
    assert!(output.code == 0 && output.stderr.is_empty(), "{output:#?}");
    let read = |file| std::fs::read_to_string(file).unwrap();
    let code = output.stdout.trim().parse().unwrap();
    (Report { text: read("/tmp/before"), code: -1 }, Report { text: read("/tmp/after"), code })
}
