//! Whether programs can be traced on this machine, as lens does it.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, anyhow};
use conformance::in_process;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};

use crate::host::ID;

/// Returns why programs can't be traced, if they can't.
pub fn refused() -> Result<Option<String>> {
    let (_, said) = in_process("trace", &[])
        .map_err(|failed| anyhow!("{}", failed.message().unwrap_or_default()))?;
    Ok(Some(said.trim().to_owned()).filter(|reason| !reason.is_empty()))
}

/// An entry point: an ordinary user who traces a program, and prints why not.
pub fn main(_: &()) -> Result<ExitCode> {
    if geteuid().is_root() {
        setgroups(&[]).context("setgroups")?;
        setgid(Gid::from_raw(ID)).context("setgid")?;
        setuid(Uid::from_raw(ID)).context("setuid")?;
    }
    let mut child = Command::new("sleep").arg("60").spawn().context("start sleep")?;
    let (none, pid) = (std::ptr::null_mut::<libc::c_void>(), child.id() as libc::pid_t);
    // SAFETY: this request takes neither an address nor data.
    let seized = Errno::result(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, none, none) });
    child.kill().context("kill")?;
    child.wait().context("wait")?;
    if let Err(errno) = seized {
        println!("ptrace(2) is forbidden here ({}): cargo lens says why", errno.desc());
    }
    Ok(ExitCode::SUCCESS)
}
