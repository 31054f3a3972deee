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
    format!(
        "Wrong: {what}.\n  the kernel shows  {}\n  it should show    {relation}{}",
        indented(value),
        indented(expected)
    )
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
