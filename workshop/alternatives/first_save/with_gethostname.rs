// By the system call that asks for it.

use anyhow::{Context, Result};
use nix::unistd::gethostname;

fn hostname() -> Result<String> {
    gethostname()?.into_string().ok().context("not UTF-8")
}
