//! What every stage must pass, and the harness that runs each test in namespaces of its own.
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
//! | `TEST_TIMEOUT` | after how many seconds a test is stuck, instead of 60 |
//! | `TEST_OWN_ONLY` | when set, a stage is not put through the tests that every stage has to pass |

pub mod advice;
mod beside;
pub mod escape;
mod every_stage;
mod harness;
pub mod needs;
pub mod queues;
pub mod reach;
mod restart;
pub mod snapshot;
mod stage;
mod steps;
pub mod terminal;
mod tracer;
mod traits;
mod typist;

pub use advice::{advised, follow};
pub use beside::{Beside, STAGES};
pub use harness::*;
pub use needs::{has, has_root, need, skip, skipped, with_sudo};
pub use stage::*;
pub use steps::steps_of;
pub use testbed::host::{HOSTNAME, hostname};
pub use testbed::{cgroup, eventually, fastest, gets, probe};
pub use traits::Traits;
