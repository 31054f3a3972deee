//! The filter that stops a traced program at the calls of the table, and at no others: seccomp(2).

use std::mem::offset_of;

use nix::errno::Errno;
use nix::libc::{self, sock_filter, sock_fprog};

use crate::calls::{ANSWERS, TABLE};

/// Bytes of the longest write that is looked at. A filter does not see which file is written to, but the files that
/// make a container take short texts.
pub const LONGEST_WRITE: u32 = 4096;

/// The architecture of this program's own calls, in linux/audit.h.
#[cfg(target_arch = "x86_64")]
pub const NATIVE: u32 = 0xc000_003e;
/// The architecture of this program's own calls, in linux/audit.h.
#[cfg(target_arch = "aarch64")]
pub const NATIVE: u32 = 0xc000_00b7;

/// Set in the numbers of calls of x32, a second set of calls with pointers of 32 bits: syscalls(2).
pub const X32: u32 = 0x4000_0000;

const NUMBER: u32 = offset_of!(libc::seccomp_data, nr) as u32;
const ARCHITECTURE: u32 = offset_of!(libc::seccomp_data, arch) as u32;
/// The lower half of the third argument: both architectures are little-endian.
const THIRD: u32 = offset_of!(libc::seccomp_data, args) as u32 + 2 * 8;

const fn statement(code: u32, value: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k: value }
}

const fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

const fn answer(action: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, action)
}

/// A comparison with `value`, and how many instructions to pass over when it holds, and when it does not.
const fn jump(comparison: u32, value: u32, holds: u8, fails: u8) -> sock_filter {
    let code = (libc::BPF_JMP | comparison | libc::BPF_K) as u16;
    sock_filter { code, jt: holds, jf: fails, k: value }
}

/// Returns the filter: bpf(4) instructions that the kernel runs for each call of the traced programs.
pub fn instructions() -> Vec<sock_filter> {
    const EQUAL: u32 = libc::BPF_JEQ;
    const GREATER: u32 = libc::BPF_JGT;
    const TRACE: sock_filter = answer(libc::SECCOMP_RET_TRACE);
    const ALLOW: sock_filter = answer(libc::SECCOMP_RET_ALLOW);
    let mut filter = vec![
        load(ARCHITECTURE),
        // Calls of 32-bit programs have other numbers. Their programs are named, and their calls not shown.
        jump(EQUAL, NATIVE, 1, 0),
        TRACE,
        load(NUMBER),
    ];
    for row in TABLE.iter() {
        let number = row.number as u32;
        if row.name == "write" {
            filter.extend([
                jump(EQUAL, number, 0, 4),
                load(THIRD),
                jump(GREATER, LONGEST_WRITE, 0, 1),
                ALLOW,
                TRACE,
            ]);
        } else {
            filter.extend([jump(EQUAL, number, 0, 1), TRACE]);
        }
    }
    for number in ANSWERS {
        filter.extend([jump(EQUAL, number as u32, 0, 1), TRACE]);
    }
    filter.push(ALLOW);
    filter
}

/// Puts a filter on this process and all that it starts. Without CAP_SYS_ADMIN that takes no_new_privs, which this sets
/// then.
///
/// # Errors
///
/// prctl(2), seccomp(2)
pub fn install(filter: &[sock_filter]) -> nix::Result<()> {
    match set_filter(filter) {
        Err(Errno::EACCES) => {
            nix::sys::prctl::set_no_new_privs()?;
            set_filter(filter)
        }
        result => result,
    }
}

fn set_filter(filter: &[sock_filter]) -> nix::Result<()> {
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel reads as many instructions as `len` says, from where `filter` points.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    Errno::result(result).map(drop)
}
