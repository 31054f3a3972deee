//! What the tests of the network share.

use std::process::Command;

use conformance::{Output, need, reach};

/// A script that does not end.
pub const WAIT: &str = "echo ready; exec sleep 1000";

/// Runs ip(8) on the host, as in `ip("link show brg0")`.
#[track_caller]
pub fn ip(arguments: &str) -> String {
    need("ip");
    Output::of(Command::new("ip").args(arguments.split(' '))).ok()
}

/// A command for the container that succeeds when `address` answers.
pub fn reach(address: &str) -> String {
    reach::command(address, 5)
}
