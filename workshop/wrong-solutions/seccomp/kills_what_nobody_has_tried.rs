// refused with: has been ended by a signal | has ended its process

use anyhow::Result;
use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::prctl;

/// Has the kernel refuse a system call with EPERM, from now on and to this process. All others are as before.
fn refuse(call: c_long) -> Result<()> {
    let number = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
    let error = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut filter = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, number),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::SYS_chroot as u32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, number),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, call as u32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, error),
        instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    install(&mut filter)
}

/// Returns an instruction. After a comparison that is false the next `skipped` ones are left out.
fn instruction(code: u32, skipped: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: skipped, k }
}

/// Installs a filter: seccomp(2).
fn install(filter: &mut [libc::sock_filter]) -> Result<()> {
    prctl::set_no_new_privs()?;
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel reads a program of the length that it is told.
    Errno::result(unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program) })?;
    Ok(())
}
