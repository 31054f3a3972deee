// refused with: what the program
// refused with: SigBlk

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use anyhow::Result;
use nix::libc::{self, c_int, c_ulong};

/// Starts `program` with no capability but `kept`, and no way to gain one.
fn start(program: &mut Command, kept: c_ulong) -> Result<Child> {
    let limit = move || -> io::Result<()> {
        for capability in 0..=last()? {
            if capability != kept {
                bounding_set(libc::PR_CAPBSET_DROP, capability)?;
            }
        }
        nix::sys::prctl::set_no_new_privs()?;
        nix::unistd::setsid()?;
        nix::sys::signal::SigSet::all().thread_block()?;
        Ok(())
    };
    // SAFETY: between fork(2) and execve(2) `limit` makes system calls, and nothing that another thread could hold.
    unsafe { program.pre_exec(limit) };
    Ok(program.spawn()?)
}

/// Returns the number of the last capability that this kernel knows.
fn last() -> io::Result<c_ulong> {
    let known = |capability: &c_ulong| bounding_set(libc::PR_CAPBSET_READ, *capability).is_ok();
    (0..).take_while(known).last().ok_or(io::ErrorKind::Unsupported.into())
}

/// Asks for a capability of this process's bounding set, or changes it.
fn bounding_set(operation: c_int, capability: c_ulong) -> io::Result<()> {
    // SAFETY: these operations take a number.
    match unsafe { libc::prctl(operation, capability, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
