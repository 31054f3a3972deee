// Who enters is a child, which ends when the name is set: so `nsenter` is used.

use std::fs::File;

use anyhow::{Result, ensure};
use nix::sched::{CloneFlags, setns};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, sethostname};

fn rename(process: Pid, name: &str) -> Result<()> {
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let enter = || -> Result<()> {
                let namespace = File::open(format!("/proc/{process}/ns/uts"))?;
                setns(namespace, CloneFlags::CLONE_NEWUTS)?;
                Ok(sethostname(name)?)
            };
            std::process::exit(i32::from(enter().is_err()))
        }
        ForkResult::Parent { child } => {
            ensure!(waitpid(child, None)? == WaitStatus::Exited(child, 0), "not entered");
            Ok(())
        }
    }
}
