//! The system calls of a learner's function, each of them before it is made: seccomp_unotify(2).

use std::io::{IoSlice, IoSliceMut};
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::prctl;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::unistd::Pid;

/// The calls that write to a file.
pub const WRITES: [c_long; 8] = [
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_copy_file_range,
];

/// Those of them whose third argument is the file, and not the first.
const FROM_A_FILE: [c_long; 2] = [libc::SYS_splice, libc::SYS_copy_file_range];

/// What the kernel calls this architecture: linux/audit.h.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// A system call that is about to be made.
pub struct Call {
    /// The process that makes it, as the host sees it.
    pub process: Pid,
    /// Its number, such as `libc::SYS_write`.
    pub number: c_long,
    /// What the descriptor stands for that it is about, if it is about one.
    pub file: PathBuf,
    /// Its arguments, as numbers.
    pub arguments: [u64; 6],
}

/// Where the calls of another process are heard of.
pub(crate) struct Listener(OwnedFd);

/// Has the kernel ask before each of these calls of this process, and of all that come from it. Whoever has the other
/// end of `to` is asked.
///
/// # Errors
///
/// prctl(2), seccomp(2), sendmsg(2).
pub(crate) fn announce(calls: &[c_long], to: &UnixStream) -> Result<()> {
    let load = |field: usize| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, field as u32, 0);
    let equals =
        |value: u32, over: u8| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, over);
    let answer = |answer: u32| step(libc::BPF_RET | libc::BPF_K, answer, 0);
    let mut filter = vec![
        // For another architecture, which x86_64 has beside its own, the same number is another call.
        load(mem::offset_of!(libc::seccomp_data, arch)),
        equals(ARCHITECTURE, 1),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(mem::offset_of!(libc::seccomp_data, nr)),
    ];
    for (index, call) in calls.iter().enumerate() {
        // Over those that are left, and the line that allows.
        filter.push(equals(*call as u32, (calls.len() - index) as u8));
    }
    filter.extend([libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_USER_NOTIF].map(answer));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let install = || {
        // SAFETY: the kernel reads a program of the length that it is told.
        Errno::result(unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
                &raw const program,
            )
        })
    };
    let mut listener = install();
    if listener == Err(Errno::EACCES) {
        // Who is not root has to give this up before.
        prctl::set_no_new_privs().context("no_new_privs")?;
        listener = install();
    }
    let listener = listener.context("seccomp")?;
    // SAFETY: the kernel has just made this descriptor for us.
    let listener = unsafe { OwnedFd::from_raw_fd(listener as RawFd) };
    let descriptors = [listener.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(&[1])], &rights, MsgFlags::empty(), None)
        .context("send the listener")?;
    Ok(())
}

/// A step of a filter, which goes on `over` steps further where it compares, and finds what it looks for.
fn step(code: u32, k: u32, over: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: over, jf: 0, k }
}

impl Listener {
    /// Gets what [`announce`] has sent; None where it could not, as in a container whose engine listens itself.
    pub(crate) fn receive(from: &UnixStream) -> Option<Listener> {
        let (mut byte, mut room) = ([0], nix::cmsg_space!(RawFd));
        let mut parts = [IoSliceMut::new(&mut byte)];
        let message = recvmsg::<()>(
            from.as_raw_fd(),
            &mut parts,
            Some(&mut room),
            MsgFlags::MSG_CMSG_CLOEXEC,
        );
        let rights = message.ok()?.cmsgs().ok()?.next()?;
        let ControlMessageOwned::ScmRights(descriptors) = rights else { return None };
        // SAFETY: the kernel has just made this descriptor for us.
        Some(Listener(unsafe { OwnedFd::from_raw_fd(*descriptors.first()?) }))
    }

    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.0
    }

    /// Takes one call, shows it to `look`, and lets it be made.
    pub(crate) fn answer(&self, look: &mut dyn FnMut(&Call)) {
        // SAFETY: zero is what the kernel wants there.
        let mut asked: libc::seccomp_notif = unsafe { mem::zeroed() };
        let listener = self.0.as_raw_fd();
        // SAFETY: the request takes a pointer to this structure.
        let got =
            unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV as _, &raw mut asked) };
        if got != 0 {
            // The process has ended in the meantime.
            return;
        }
        let process = Pid::from_raw(asked.pid as i32);
        let number = c_long::from(asked.data.nr);
        let descriptor = asked.data.args[if FROM_A_FILE.contains(&number) { 2 } else { 0 }];
        let link = format!("/proc/{process}/fd/{descriptor}");
        let file = std::fs::read_link(link).unwrap_or_default();
        look(&Call { process, number, file, arguments: asked.data.args });
        let answer = libc::seccomp_notif_resp {
            id: asked.id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: as above. It fails where the process has ended, and then nobody waits.
        unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND as _, &raw const answer) };
    }
}
