//! A program that restarts the machine, as far as a PID namespace is one: reboot(2), "Behavior inside PID namespaces".

use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;

/// The command for the container's shell, and the name that the program knows itself by.
pub(super) const PROGRAM: &str = "restart";

pub(super) fn main<A>(_: &A) -> Result<ExitCode> {
    // The tests are in a PID namespace, too: at worst it ends the test.
    // SAFETY: the call takes a number.
    Errno::result(unsafe { libc::reboot(libc::RB_AUTOBOOT) }).context("reboot")?;
    Ok(ExitCode::FAILURE)
}
