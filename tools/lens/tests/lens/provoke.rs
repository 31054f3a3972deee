//! A program that makes calls to be seen. The comment at the end of a line says what lens shows of it: calls that fail
//! are calls as well. `[N]` is a number.
//!
//! Here a line is one call, so that a line too high or too low is another one.

use std::ffi::{CStr, c_void};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use nix::libc;

/// Makes a call that has no function in the C library, with up to six numbers or pointers.
#[collapse_debuginfo(yes)]
macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: each caller gives what the call's man page asks for.
        unsafe { libc::syscall(libc::$number $(, $argument)*) }
    };
}

const SAME: *const libc::c_char = c"/tmp".as_ptr();

/// Opens a directory or a file, for calls that take a descriptor.
fn open(path: &str) -> File {
    File::open(path).unwrap_or_else(|error| panic!("open {path}: {error}"))
}

fn null() -> *const c_void {
    ptr::null()
}

/// Names, and limits that fail for everybody.
#[rustfmt::skip]
pub fn names() {
    let long = c"a name with a blank".as_ptr();
    call!(SYS_sethostname, c"provoked".as_ptr(), 8); // sethostname(provoked)
    call!(SYS_setdomainname, long, 19); // setdomainname("a name with a blank")
    call!(SYS_msgget, 0x4711, libc::IPC_CREAT | 0o600); // msgget(0x4711, IPC_CREAT, 0600) = [N]
    call!(SYS_semget, libc::IPC_PRIVATE, 2, 0o600); // semget(IPC_PRIVATE, 2, 0, 0600) = [N]
    call!(SYS_shmget, 0x4712, 4096, libc::IPC_CREAT | libc::IPC_EXCL | 0o600); // shmget(0x4712, 4096, IPC_CREAT|EXCL, 0600) = [N]
    call!(SYS_mq_open, c"queue".as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600, null()); // mq_open(queue, O_RDWR|CREAT) = [N]
}

/// Mounts, in both ways.
#[rustfmt::skip]
pub fn mounts() {
    fs::create_dir_all("/tmp/new/old").expect("mkdir");
    let (new, tmpfs) = (c"/tmp/new".as_ptr(), c"tmpfs".as_ptr());
    let none = ptr::null::<libc::c_char>();
    call!(SYS_mount, none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, null()); // mount on / (MS_REC|PRIVATE)
    call!(SYS_mount, tmpfs, new, tmpfs, libc::MS_NOSUID, c"mode=755".as_ptr()); // mount tmpfs on /tmp/new (tmpfs, MS_NOSUID, mode=755)
    call!(SYS_mount, new, new, none, libc::MS_BIND | libc::MS_REC, null()); // mount /tmp/new on /tmp/new (MS_REC|BIND)
    call!(SYS_mount, none, new, none, libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY, null()); // mount on /tmp/new (MS_BIND|REMOUNT|RDONLY)
    call!(SYS_mount, tmpfs, c"/nowhere".as_ptr(), tmpfs, 0, null()); // mount tmpfs on /nowhere (tmpfs) = ENOENT
    call!(SYS_umount2, new, libc::MNT_DETACH); // umount2(/tmp/new, MNT_DETACH)
    call!(SYS_umount2, c"/nowhere".as_ptr(), 0); // umount2(/nowhere, 0) = ENOENT

    let context = call!(SYS_fsopen, tmpfs, 1); // fsopen(tmpfs, FSOPEN_CLOEXEC) = [N]
    call!(SYS_fsconfig, context, 1, c"size".as_ptr(), c"1m".as_ptr(), 0); // fsconfig([N], FSCONFIG_SET_STRING, size, 1m)
    call!(SYS_fsconfig, context, 6, null(), null(), 0); // fsconfig([N], FSCONFIG_CMD_CREATE)
    let mount = call!(SYS_fsmount, context, 1, 2 | 4); // fsmount([N], FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID|NODEV) = [N]
    call!(SYS_move_mount, mount, c"".as_ptr(), libc::AT_FDCWD, new, 4); // move_mount([N]=detached, /tmp/new, MOVE_MOUNT_F_EMPTY_PATH)
    call!(SYS_fspick, libc::AT_FDCWD, new, 1); // fspick(/tmp/new, FSPICK_CLOEXEC) = [N]
    let tree = call!(SYS_open_tree, libc::AT_FDCWD, new, 1 | libc::AT_RECURSIVE); // open_tree(/tmp/new, OPEN_TREE_CLONE|AT_RECURSIVE) = [N]
    let attributes: [u64; 4] = [1, 2, 0, 0];
    call!(SYS_mount_setattr, tree, c"".as_ptr(), libc::AT_EMPTY_PATH, attributes.as_ptr(), 32); // mount_setattr([N]=detached, AT_EMPTY_PATH, +MOUNT_ATTR_RDONLY, -MOUNT_ATTR_NOSUID)
}

/// Changes of the root directory, and of the working directory around them.
#[rustfmt::skip]
pub fn roots() {
    fs::create_dir_all("/tmp/root").expect("mkdir");
    let (none, root) = (ptr::null::<libc::c_char>(), c"/tmp/root".as_ptr());
    let before = open("/");
    call!(SYS_mount, none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, null()); // mount on / (MS_REC|PRIVATE)
    call!(SYS_mount, root, root, none, libc::MS_BIND, null()); // mount /tmp/root on /tmp/root (MS_BIND)
    call!(SYS_chdir, root); // chdir(/tmp/root)
    call!(SYS_pivot_root, c".".as_ptr(), c".".as_ptr()); // pivot_root(., .)
    call!(SYS_fchdir, before.as_raw_fd()); // fchdir([N]=/)
    call!(SYS_chroot, c".".as_ptr()); // chroot(.)
}

/// Files that are told apart from others by what they are, and not by their names.
#[rustfmt::skip]
pub fn files() {
    fs::write("/tmp/uid_map", "no map").expect("write");
    let mut own = File::options().write(true).open("/proc/self/oom_score_adj").expect("open");
    own.write_all(b"0\n").expect("write"); // write /proc/[N]/oom_score_adj "0"
    let sysctl = File::options().write(true).open("/proc/sys/kernel/msgmax").expect("open");
    call!(SYS_pwrite64, sysctl.as_raw_fd(), c"8192\n".as_ptr(), 5, 0); // write /proc/sys/kernel/msgmax "8192"
    let pieces = [c"81".as_ptr() as u64, 2, c"92".as_ptr() as u64, 2];
    call!(SYS_writev, sysctl.as_raw_fd(), pieces.as_ptr(), 2); // write /proc/sys/kernel/msgmax "8192"
}

/// Namespaces of one's own, and those of others.
#[rustfmt::skip]
pub fn namespaces() {
    let before = open("/proc/self/ns/uts");
    call!(SYS_unshare, libc::CLONE_NEWUTS | libc::CLONE_NEWIPC); // unshare(CLONE_NEWUTS|NEWIPC) new: uts ipc
    call!(SYS_setns, before.as_raw_fd(), libc::CLONE_NEWUTS); // setns([N]=uts:[[N]], CLONE_NEWUTS) new: uts
    call!(SYS_setns, before.as_raw_fd(), libc::CLONE_NEWNET); // setns([N]=uts:[[N]], CLONE_NEWNET) = EINVAL
    call!(SYS_unshare, 0x80); // unshare(CLONE_NEWTIME)
}

/// Waits for the end of a child whose id a call has returned.
fn reap(child: libc::c_long) {
    // SAFETY: a null pointer stands for a status that nobody wants.
    unsafe { libc::waitpid(child as i32, ptr::null_mut(), 0) };
}

/// Ends a child at once. It is a copy, and runs nothing of its parent's.
fn end_if_child(child: libc::c_long) {
    if child == 0 {
        // SAFETY: _exit(2) takes a number.
        unsafe { libc::_exit(0) }
    }
}

/// Children, in all ways in which one can be made.
#[rustfmt::skip]
pub fn children() {
    let chld = libc::SIGCHLD;
    let child = call!(SYS_clone, chld | libc::CLONE_NEWUTS, 0, 0, 0, 0); // clone(CLONE_NEWUTS) = [N] new: uts
    end_if_child(child);
    reap(child);
    let arguments: [u64; 11] = [libc::CLONE_NEWIPC as u64, 0, 0, 0, chld as u64, 0, 0, 0, 0, 0, 0];
    let child = call!(SYS_clone3, arguments.as_ptr(), 88); // clone3(CLONE_NEWIPC) = [N] new: ipc
    end_if_child(child);
    reap(child);
    let child = call!(SYS_clone, chld, 0, 0, 0, 0); // clone() = [N]
    end_if_child(child);
    reap(child);
    call!(SYS_clone, chld | libc::CLONE_NEWUTS | libc::CLONE_FS | libc::CLONE_NEWNS, 0, 0, 0, 0); // clone(CLONE_NEWNS|NEWUTS|FS) = EINVAL
    // The C library's own, which ends its table for unwinding before the call.
    let mut stack = vec![0; 64 * 1024];
    // SAFETY: without CLONE_VM the child has a copy of all memory.
    let child = unsafe { nix::sched::clone(Box::new(|| 0), &mut stack, nix::sched::CloneFlags::CLONE_NEWUTS, Some(chld)) }; // clone(CLONE_NEWUTS) = [N] new: uts
    reap(child.expect("clone").as_raw().into());
}

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub fn old_calls() {
    let child = call!(SYS_fork); // fork() = [N]
    end_if_child(child);
    reap(child);
    // SAFETY: the child shares the memory until it executes a program, and calls nothing else.
    let child = unsafe { vfork_and_execute() };
    reap(child.into());
}

#[cfg(target_arch = "x86_64")]
unsafe fn vfork_and_execute() -> i32 {
    let program = c"/bin/true".as_ptr();
    let arguments = [program, ptr::null()];
    // SAFETY: as the caller says.
    unsafe {
        #[allow(deprecated)]
        let child = libc::vfork();
        if child == 0 {
            libc::execv(program, arguments.as_ptr());
            libc::_exit(127);
        }
        child
    }
}

/// Ids, capabilities, filters: what a process gives up.
#[rustfmt::skip]
pub fn rights() {
    let groups: [u32; 2] = [4711, 4712];
    call!(SYS_setsid); // setsid() = [E]
    call!(SYS_setgroups, 2, groups.as_ptr()); // setgroups([4711 4712])
    call!(SYS_setresgid, -1, 0, -1); // setresgid(-1, 0, -1)
    call!(SYS_setregid, 0, 0); // setregid(0, 0)
    call!(SYS_setgid, 0); // setgid(0)
    call!(SYS_setresuid, 0, 0, -1); // setresuid(0, 0, -1)
    call!(SYS_setreuid, -1, 0); // setreuid(-1, 0)
    call!(SYS_setuid, 0); // setuid(0)
    call!(SYS_keyctl, 1, c"provoked".as_ptr()); // keyctl(KEYCTL_JOIN_SESSION_KEYRING, provoked) = [E]
    call!(SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL); // prctl(PR_SET_PDEATHSIG, SIGKILL)
    call!(SYS_prctl, libc::PR_SET_CHILD_SUBREAPER, 1); // prctl(PR_SET_CHILD_SUBREAPER, 1)
    call!(SYS_prctl, libc::PR_CAPBSET_DROP, 21); // prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN)
    call!(SYS_prctl, libc::PR_SET_SECUREBITS, 1 | 4); // prctl(PR_SET_SECUREBITS, SECBIT_NOROOT|NO_SETUID_FIXUP)
    call!(SYS_prctl, libc::PR_CAP_AMBIENT, 4, 0, 0, 0); // prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    call!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); // prctl(PR_SET_NO_NEW_PRIVS, 1)
    let header: [u32; 2] = [0x2008_0522, 0];
    let sets: [u32; 6] = [1 << 10, 1 << 10 | 1, 0, 0, 0, 0];
    call!(SYS_capset, header.as_ptr(), sets.as_ptr()); // capset(effective CAP_NET_BIND_SERVICE, permitted CAP_CHOWN|CAP_NET_BIND_SERVICE, inheritable none)
    let allow = libc::sock_filter { code: 6, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    let program = libc::sock_fprog { len: 1, filter: &raw const allow as *mut _ };
    call!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program); // seccomp(SECCOMP_SET_MODE_FILTER, 1 instructions)
    call!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, null()); // seccomp(SECCOMP_SET_MODE_FILTER, NULL) = EFAULT
    let handled: [u64; 1] = [1];
    call!(SYS_landlock_create_ruleset, handled.as_ptr(), 8, 0); // landlock_create_ruleset() = [E]
    call!(SYS_landlock_add_rule, 4711, 1, null(), 0); // landlock_add_rule(4711) = [E]
    call!(SYS_landlock_restrict_self, 4711, 0); // landlock_restrict_self(4711) = [E]
}

/// Requests to the kernel's network configuration.
#[rustfmt::skip]
pub fn network() {
    // SAFETY: socket(2) takes numbers, and returns a descriptor that nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)) };
    let (socket, mut answer) = (socket.as_raw_fd(), [0u8; 4096]);
    let request = set_up_loopback(1);
    call!(SYS_sendto, socket, request.as_ptr(), request.len(), 0, null(), 0); // netlink link set lo up
    call!(SYS_recvfrom, socket, answer.as_mut_ptr(), answer.len(), 0, null(), null());
    call!(SYS_unshare, libc::CLONE_NEWNET); // unshare(CLONE_NEWNET) new: net
    // There is none with this index.
    let request = set_up_loopback(4711);
    let piece = libc::iovec { iov_base: request.as_ptr() as *mut _, iov_len: request.len() };
    // SAFETY: a msghdr of zeros is a valid one.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    (header.msg_iov, header.msg_iovlen) = (&raw const piece as *mut _, 1);
    call!(SYS_sendmsg, socket, &raw const header, 0); // netlink link set 4711 up (in another network namespace) = ENODEV
    let piece = libc::iovec { iov_base: answer.as_mut_ptr().cast(), iov_len: answer.len() };
    (header.msg_iov, header.msg_iovlen) = (&raw const piece as *mut _, 1);
    call!(SYS_recvmsg, socket, &raw mut header, 0);
}

/// RTM_NEWLINK with the flag IFF_UP: rtnetlink(7).
fn set_up_loopback(index: u32) -> Vec<u8> {
    let (length, kind, flags, sequence) = (32u32, 16u16, 1u16 | 4, index);
    let mut request = Vec::new();
    request.extend(length.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    request.extend(sequence.to_ne_bytes());
    request.extend([0; 8]);
    request.extend(index.to_ne_bytes());
    request.extend([1, 0, 0, 0, 1, 0, 0, 0]);
    request
}

/// Executes a program, after a search that fails.
#[rustfmt::skip]
pub fn programs() {
    let arguments = [c"true".as_ptr(), c"an argument".as_ptr(), ptr::null()];
    let none: [*const libc::c_char; 1] = [ptr::null()];
    call!(SYS_execve, c"/nowhere".as_ptr(), arguments.as_ptr(), none.as_ptr()); // execve(/nowhere, [true "an argument"]) = ENOENT
    call!(SYS_chdir, SAME); // chdir(/tmp)
    let program = open("/bin/true");
    call!(SYS_execveat, program.as_raw_fd(), c"".as_ptr(), arguments.as_ptr(), none.as_ptr(), libc::AT_EMPTY_PATH); // execveat([N]=[P], [true "an argument"])
}

/// Makes directories of a cgroup, and in a place that is none.
#[rustfmt::skip]
pub fn cgroups(path: &CStr) {
    let name = path.to_owned().into_string().expect("it is text");
    let (parent, last) = name.rsplit_once('/').expect("it is a path");
    let (parent, last) = (open(parent), std::ffi::CString::new(last).expect("it is text"));
    fs::create_dir("/tmp/no-cgroup").expect("mkdir");
    #[cfg(target_arch = "x86_64")]
    call!(SYS_mkdir, path.as_ptr(), 0o755); // mkdir([P]/provoked)
    #[cfg(target_arch = "x86_64")]
    call!(SYS_rmdir, path.as_ptr()); // rmdir([P]/provoked)
    call!(SYS_mkdirat, parent.as_raw_fd(), last.as_ptr(), 0o755); // mkdirat([P]/provoked)
    fs::write(format!("{name}/cgroup.procs"), "0").expect("move this process"); // write [P]/provoked/cgroup.procs "0"
    fs::write(format!("{}/cgroup.procs", name.rsplit_once('/').expect("a path").0), "0").expect("move back"); // write [P]/cgroup.procs "0"
    call!(SYS_unlinkat, parent.as_raw_fd(), last.as_ptr(), libc::AT_REMOVEDIR); // unlinkat([P]/provoked, AT_REMOVEDIR)
}
