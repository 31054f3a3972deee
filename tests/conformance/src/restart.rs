//! A program that restarts the machine, as far as a PID namespace is one: reboot(2), "Behavior inside PID namespaces".

use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;

use crate::Stage;
use crate::stage::install_this;

/// The command for the container's shell, and the name that the program knows itself by.
pub(super) const PROGRAM: &str = "restart";

/// Puts the program into the stage's root directory, which is made if it is missing.
#[track_caller]
pub(super) fn install(stage: &Stage) {
    install_this(stage, PROGRAM);
}

pub(super) fn main<A>(_: &A) -> Result<ExitCode> {
    // The tests are in a PID namespace, too: at worst it ends the test.
    // SAFETY: the call takes a number.
    Errno::result(unsafe { libc::reboot(libc::RB_AUTOBOOT) }).context("reboot")?;
    Ok(ExitCode::FAILURE)
}
