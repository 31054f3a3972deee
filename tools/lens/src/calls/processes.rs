//! Calls that make processes, and that move them into namespaces.

use std::fmt::Write;

use nix::libc;

use super::{Entry, Shown};
use crate::descriptor;
use crate::flags;
use crate::text::{Flags, quoted};

/// The flags of clone(2) and unshare(2). Those that only tell the C library about threads (CLONE_SETTLS,
/// CLONE_CHILD_CLEARTID and so on) are left out.
const CLONE: Flags = flags!(
    "CLONE_",
    CLONE_NEWNS,
    CLONE_NEWUTS,
    CLONE_NEWPID,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWUSER,
    CLONE_NEWCGROUP,
    CLONE_VM,
    CLONE_FS,
    CLONE_FILES,
    CLONE_SIGHAND,
    CLONE_PIDFD,
    CLONE_PTRACE,
    CLONE_VFORK,
    CLONE_PARENT,
    CLONE_THREAD,
    CLONE_UNTRACED;
    // In clone(2) the bit is one of the signal's.
    "CLONE_NEWTIME" = 0x80,
    // Only clone3() has room for them.
    "CLONE_CLEAR_SIGHAND" = 0x1_0000_0000,
    "CLONE_INTO_CGROUP" = 0x2_0000_0000
);

const INTO_CGROUP: u64 = 0x2_0000_0000;

/// Flags of the C library's own, for threads.
const BOOKKEEPING: u64 = (libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID
    | libc::CLONE_CHILD_SETTID
    | libc::CLONE_DETACHED) as u64;

/// The lower bits of the flags of clone(2): the signal that tells the parent of the child's end.
const SIGNAL: u64 = 0xff;

/// The chapter of the newest namespace in `flags`.
fn chapter(flags: u64) -> Option<&'static str> {
    let chapters = [
        (libc::CLONE_NEWCGROUP, "08-cgroups.md#diff"),
        (libc::CLONE_NEWIPC, "07-ipc.md#diff"),
        (libc::CLONE_NEWNET, "06-network.md#diff"),
        (libc::CLONE_NEWUSER, "05-user.md#diff"),
        (libc::CLONE_NEWPID | libc::CLONE_NEWNS, "03-pid.md#diff"),
        (libc::CLONE_NEWUTS, "01-uts.md#diff"),
    ];
    chapters.into_iter().find(|(bits, _)| flags & *bits as u64 != 0).map(|(_, chapter)| chapter)
}

/// The flags of a call that makes a process, without the C library's own. A plain child has none.
fn asked(flags: u64) -> String {
    match flags & !BOOKKEEPING {
        0 => String::new(),
        flags => CLONE.show(flags),
    }
}

/// A new thread is none of a container's processes.
fn new_process(flags: u64, text: String) -> Option<Shown> {
    let shown = Shown { chapter: chapter(flags), ..text.into() };
    (flags & libc::CLONE_THREAD as u64 == 0).then_some(shown.with_number())
}

/// clone(FLAGS)
pub fn clone(entry: &Entry) -> Option<Shown> {
    let flags = entry.args[0] & !SIGNAL & 0xffff_ffff;
    new_process(flags, format!("clone({})", asked(flags)))
}

/// clone3(FLAGS), and the cgroup that the child is made in
pub fn clone3(entry: &Entry) -> Option<Shown> {
    // struct clone_args of linux/sched.h: the flags are the first member, the cgroup is the last, since Linux 5.7.
    const CGROUP: u64 = 80;
    let flags = entry.memory().word(entry.args[0])?;
    let mut text = format!("clone3({}", asked(flags));
    if flags & INTO_CGROUP != 0 {
        let cgroup = entry.memory().word(entry.args[0] + CGROUP)? as i32;
        let path = descriptor::path(entry.task, cgroup).unwrap_or_default();
        let _ = write!(text, ", {}", quoted(path.as_os_str().as_encoded_bytes()));
    }
    new_process(flags, text + ")")
}

/// fork()
#[cfg(target_arch = "x86_64")]
pub fn fork(_: &Entry) -> Option<Shown> {
    new_process(0, "fork()".into())
}

/// vfork()
#[cfg(target_arch = "x86_64")]
pub fn vfork(_: &Entry) -> Option<Shown> {
    new_process(0, "vfork()".into())
}

/// unshare(FLAGS)
pub fn unshare(entry: &Entry) -> Option<Shown> {
    let flags = entry.args[0] & 0xffff_ffff;
    let text = format!("unshare({})", CLONE.show(flags));
    Some(Shown { chapter: chapter(flags), ..text.into() })
}

/// setns(WHAT, FLAGS)
pub fn setns(entry: &Entry) -> Option<Shown> {
    Some(format!("setns({}, {})", entry.descriptor(0), entry.flags(1, CLONE)).into())
}

/// execve(PROGRAM, ARGUMENTS...)
pub fn execve(entry: &Entry) -> Option<Shown> {
    Some(format!("execve({}, {})", entry.path(0), arguments(entry, 1)).into())
}

/// execveat(PROGRAM, ARGUMENTS...)
pub fn execveat(entry: &Entry) -> Option<Shown> {
    Some(format!("execveat({}, {})", entry.path_at(0, 1), arguments(entry, 2)).into())
}

/// The arguments of a program, up to what fits a line or two.
fn arguments(entry: &Entry, index: usize) -> String {
    const MOST: usize = 12;
    const LONGEST: usize = 100;
    let Some(addresses) = entry.memory().words(entry.args[index], MOST + 1) else {
        return "?".into();
    };
    let shown = addresses.iter().take(MOST).map(|address| {
        let text = entry.text_at(*address);
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    });
    let mut shown: Vec<_> = shown.collect();
    if addresses.len() > MOST {
        shown.push("…".into());
    }
    format!("[{}]", shown.join(" "))
}
