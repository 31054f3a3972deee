// refused with: the program's capabilities
// refused with: ffffffff

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use anyhow::Result;
use nix::libc::{self, c_int, c_ulong};

fn start(program: &mut Command, kept: c_ulong) -> Result<Child> {
    let limit = move || -> io::Result<()> {
        let header = [0x20080522u32, 0];
        let sets = [1u32 << kept, 1 << kept, 0, 0, 0, 0];
        if unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    unsafe { program.pre_exec(limit) };
    Ok(program.spawn()?)
}

fn last() -> io::Result<c_ulong> {
    let known = |capability: &c_ulong| bounding_set(libc::PR_CAPBSET_READ, *capability).is_ok();
    (0..).take_while(known).last().ok_or(io::ErrorKind::Unsupported.into())
}

fn bounding_set(operation: c_int, capability: c_ulong) -> io::Result<()> {
    match unsafe { libc::prctl(operation, capability, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
