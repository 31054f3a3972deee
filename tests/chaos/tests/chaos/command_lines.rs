//! Command lines that somebody could type, and many that nobody would.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use conformance::snapshot::Snapshot;
use conformance::{Output, Stage, eventually};

use crate::{prepare, random, rounds};

const OPTIONS: [&str; 12] = [
    "--nsshell",
    "--nshostname",
    "--rootfs",
    "--address",
    "--netsetgo",
    "--pids-max",
    "-c",
    "--",
    "-x",
    "--help",
    "--version",
    "-",
];

/// Values that mean something to one option or another.
const VALUES: [&str; 30] = [
    "",
    "/",
    ".",
    "..",
    "/bin/sh",
    "/bin/true",
    "true",
    "exit 3",
    "/nonexistent",
    "/tmp",
    "/tmp/busybox",
    "/proc",
    "/dev/null",
    "/etc/passwd",
    "nshost",
    "-",
    "--",
    "0",
    "1",
    "20",
    "-1",
    "max",
    "4194304",
    "18446744073709551616",
    "10.10.10.2",
    "10.10.10.1",
    "10.10.10.255",
    "::1",
    "%s%n",
    "$(reboot)`reboot`",
];

/// Starts stage `number` with random arguments, and asserts that it ends by saying so, and that the host is as it was.
pub fn leave_the_host_as_it_was(stage: &Stage, number: u8) {
    let program = prepare(number);
    Output::of(stage.command_of(program).args(["-c", "true"])).ok();
    let host = Snapshot::take();
    let mut random = random();
    for _ in 0..10 * rounds() {
        let words: Vec<_> = (0..random.usize(..7)).map(|_| word(&mut random)).collect();
        let output = Output::of(stage.command_of(program).args(&words));
        assert_ne!(output.code, 101, "a panic: {words:?}: {output:#?}");
        // What the shell, or the parser of options, says of what it was given is theirs.
        for line in output.stderr.lines().filter(|line| is_ours(line)) {
            assert!(!line.contains(char::is_control), "not escaped: {words:?}: {line:?}");
        }
        eventually(&format!("the host is as it was: {words:?}"), || host.changes().is_empty());
    }
}

/// Whether a line is of the stage's log.
fn is_ours(line: &str) -> bool {
    ["ERROR [", "WARN  ["].iter().any(|level| line.starts_with(level))
}

fn word(random: &mut fastrand::Rng) -> OsString {
    match random.u8(..8) {
        0..3 => OPTIONS[random.usize(..OPTIONS.len())].into(),
        3..6 => VALUES[random.usize(..VALUES.len())].into(),
        6 => {
            let option = OPTIONS[random.usize(..OPTIONS.len())];
            format!("{option}={}", VALUES[random.usize(..VALUES.len())]).into()
        }
        // No argument has a zero byte.
        _ => {
            let length = [1, 8, 64, 65, 300, 5000][random.usize(..6)];
            OsString::from_vec((0..length).map(|_| random.u8(1..)).collect())
        }
    }
}
