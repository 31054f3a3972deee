//! The workshop's grader: a learner's function runs on a throw-away host, and the kernel is asked what it has done.
//!
//! ```no_run
//! use grader::exercise;
//! use nix::sched::{CloneFlags, unshare};
//!
//! exercise::as_root("uts_namespaces(7)", |host| {
//!     let container = host.start(|| Ok(unshare(CloneFlags::CLONE_NEWUTS)?));
//!     host.shows("the container's UTS namespace", container.namespace("uts"))
//!         .should_not_be(host.namespace("uts"));
//! });
//! ```

mod child;
mod container;
mod containers;
pub mod exercise;
mod host;
mod judge;
mod moment;
pub mod network;
mod own;
mod place;
mod queues;
mod shows;
mod state;
mod throw_away;
mod verdict;
mod watch;

pub use common::reexec::{IdMap, write_id_maps};
pub use testbed::host::hostname;
pub use testbed::{cgroup, probe};
pub use watch::{Call, WRITES};
