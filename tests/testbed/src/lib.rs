//! What the tests of stages, exercises, book and bench stand on: namespaces that play a host, a snapshot of what a
//! host must keep, and probes of what the kernel shows.
//!
//! `cargo doctor snapshot` takes the same snapshot of a real host.

pub mod cgroup;
pub mod host;
pub mod network;
pub mod probe;
pub mod programs;
pub mod reading;
pub mod snapshot;

use std::time::{Duration, Instant};
use std::{env, thread};

/// Returns what a learner reads of something that is not as it should be.
///
/// - `relation`: what stands before `expected`, such as `not `.
pub fn wrong(what: &str, value: &str, relation: &str, expected: &str) -> String {
    let indented = |text: &str| text.trim_end().replace('\n', "\n                    ");
    let nothing = |text: &str| text.trim_end().is_empty();
    let value = if nothing(value) { "(nothing)".into() } else { indented(value) };
    // What is expected can be in the relation alone: `what was there before`.
    let expected = match nothing(expected) {
        true if relation.is_empty() || relation.ends_with(' ') => "(nothing)".into(),
        _ => indented(expected),
    };
    format!("Wrong: {what}.\n  the kernel shows  {value}\n  it should show    {relation}{expected}")
}

/// After how long a test is stuck: the seconds of `TEST_TIMEOUT`, for machines that are slow, or a minute.
///
/// # Panics
///
/// It is no number.
pub fn timeout() -> Duration {
    let given = env::var("TEST_TIMEOUT").ok();
    let seconds =
        given.map_or(60, |seconds| seconds.parse().expect("TEST_TIMEOUT is a number of seconds"));
    Duration::from_secs(seconds)
}

/// How long something may be to come, so that the test that waits for it can still tell.
pub fn patience() -> Duration {
    timeout() / 2
}

/// Returns whether `condition` holds soon, for things that no one announces, such as the end of an orphan.
pub fn gets(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience();
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Asserts that `condition` holds soon.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(gets(condition), "still not: {what}");
}

/// Returns how long `action` takes when nothing else keeps the machine busy, as far as four attempts tell.
pub fn fastest(mut action: impl FnMut()) -> Duration {
    let times = (0..4).map(|_| {
        let start = Instant::now();
        action();
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::wrong;

    #[test]
    fn what_is_empty_is_called_nothing() {
        let said = wrong("what is left", "", "something with ", "a line\nand another\n");
        let lines = [
            "Wrong: what is left.",
            "  the kernel shows  (nothing)",
            "  it should show    something with a line",
            "                    and another",
        ];
        assert_eq!(said, lines.join("\n"));
        assert!(wrong("what is left", "x", "", "\n").ends_with("\n  it should show    (nothing)"));
        assert!(wrong("what is left", "x", "not ", "").ends_with("show    not (nothing)"));
        assert!(
            wrong("what is left", "x", "what was there", "").ends_with("show    what was there")
        );
    }
}
