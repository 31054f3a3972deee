//! What the tests of all stages share: a harness that runs each test in namespaces of its own, a snapshot
//! of what a stage must leave as it was, probes of /proc, and the tests that every stage has to pass.
//!
//! The namespaces around a test ("outer") play the host: the tests can run all at once, and a stage that
//! breaks its host breaks a throw-away one. All mounts are shared there, as on a host with systemd, and
//! /tmp is empty. What runs is the stage's own program, started as a reader would start it.
//!
//! A test is a function, and its name a sentence. It runs in a process of its own: libtest's threads are no
//! place for unshare(2), and a failing assertion in a forked child of one would count as a success.
//!
//! | environment variable | meaning |
//! | --- | --- |
//! | `STAGE_PROGRAM` | the program to test, instead of the one that Cargo has built |
//! | `THROW_AWAY_MACHINE` | when set, tests may change what no namespace holds, such as sysctls |
//! | `TEST_NO_SKIP` | when set, a test that cannot run here fails instead of being ignored |
//! | `TEST_OWN_ONLY` | when set, a stage is not put through the tests that every stage has to pass |

pub mod cgroup;
#[cfg(feature = "testing")]
pub mod escape;
#[cfg(feature = "testing")]
pub mod every_stage;
pub mod exercise;
#[cfg(feature = "testing")]
mod harness;
pub mod network;
pub mod probe;
#[cfg(feature = "testing")]
pub mod queues;
pub mod snapshot;
#[cfg(feature = "testing")]
pub mod terminal;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sys::utsname::uname;

use crate::reexec::IdMap;
#[cfg(feature = "testing")]
pub use harness::*;

/// The user that plays an ordinary one when root runs the tests.
const ORDINARY: u32 = 1000;

/// Maps one id on another, in a user namespace.
fn one_id(container_id: u32, host_id: u32) -> [IdMap; 1] {
    [IdMap { container_id, host_id, size: 1 }]
}

/// The name of the host that the outer namespaces play.
pub const HOSTNAME: &str = "outer";

/// Returns the hostname that this process sees.
pub fn hostname() -> String {
    let name = uname().expect("uname has no way to fail");
    name.nodename().to_string_lossy().into_owned()
}

const NONE: Option<&str> = None;

/// Makes every mount in this mount namespace shared, as systemd(1) does.
pub fn share_all_mounts() -> Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SHARED, NONE).context("share all mounts")
}

/// Returns whether `condition` holds soon, for things that no one announces, such as the end of an orphan.
pub fn gets(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(30);
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
