//! A filter of system calls: seccomp(2).

use std::mem::offset_of;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc::{self, seccomp_data, sock_filter, sock_fprog};
use nix::sys::prctl;

/// The calls that can be refused, by their names: numbers differ between architectures.
const CALLS: [(&str, libc::c_long); 7] = [
    ("chroot", libc::SYS_chroot),
    ("mount", libc::SYS_mount),
    ("pivot_root", libc::SYS_pivot_root),
    ("ptrace", libc::SYS_ptrace),
    ("sethostname", libc::SYS_sethostname),
    ("socket", libc::SYS_socket),
    ("unshare", libc::SYS_unshare),
];

/// This machine's architecture in linux/audit.h.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
/// This machine's architecture in linux/audit.h.
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

/// Set in the numbers of x32, a second set of calls on x86_64: syscalls(2).
const X32: u32 = 0x4000_0000;

/// Returns the number of a call, or None for one that is not in the list.
pub fn number(call: &str) -> Option<u32> {
    CALLS.iter().find(|(name, _)| *name == call).map(|(_, number)| *number as u32)
}

/// Returns the names that [`number`] knows.
pub fn names() -> String {
    CALLS.map(|(name, _)| name).join(", ")
}

/// Has the kernel refuse the call of this number, with EPERM, to this process and all that come from it.
///
/// # Errors
///
/// EINVAL where the kernel has no filters.
pub fn refuse(call: u32) -> Result<()> {
    let instruction = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    let load = |offset| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    // How many instructions to pass over if it holds, and if not.
    let jump = |comparison: u32, value, holds, fails| {
        instruction(libc::BPF_JMP | comparison | libc::BPF_K, holds, fails, value)
    };
    let answer = |answer| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, answer);
    let mut filter = [
        load(offset_of!(seccomp_data, arch) as u32),
        jump(libc::BPF_JEQ, NATIVE, 1, 0),
        // Calls of another architecture have other numbers: a filter that forgets them can be passed by.
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(offset_of!(seccomp_data, nr) as u32),
        jump(libc::BPF_JGE, X32, 1, 0),
        jump(libc::BPF_JEQ, call, 0, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // Who has no CAP_SYS_ADMIN may filter only what gets no more rights: a set-user-ID program could be tricked.
    prctl::set_no_new_privs().context("set no_new_privs")?;
    // SAFETY: the kernel reads the program, which lives until the call returns.
    let filtered = Errno::result(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    });
    filtered.map(drop).context("set a filter of system calls")
}
