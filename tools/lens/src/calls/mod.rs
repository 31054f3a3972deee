//! The calls that make a container: one row a call.

use std::path::Path;

use nix::libc;
use nix::unistd::Pid;

use crate::descriptor;
use crate::memory::Memory;
use crate::text::{Flags, quoted};

mod files;
mod mounts;
pub mod netlink;
mod others;
mod processes;

/// A call at its entry: who makes it, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The thread that makes the call.
    pub task: Pid,
    /// The process that it is a thread of.
    pub process: Pid,
    /// The arguments of the call.
    pub args: [u64; 6],
}

/// A call as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The call and its arguments.
    pub text: String,
    /// The man page, where it is not the row's.
    pub man: Option<&'static str>,
    /// The place in the book, where it is not the row's.
    pub chapter: Option<&'static str>,
    /// What the call's result is.
    pub result: Meaning,
}

/// What the number is that a call returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing that anyone would want to see: 0, or how many bytes were written.
    #[default]
    Nothing,
    /// A number to show: a process, a descriptor, an id.
    Number,
    /// That a request went out. The kernel's answer is a message of its own, for these requests (by their sequence
    /// numbers).
    Request,
    /// That a request for a list went out: it makes nothing.
    List,
}

impl From<String> for Shown {
    fn from(text: String) -> Shown {
        Shown { text, ..Shown::default() }
    }
}

impl Shown {
    /// Says that the number which the call returns is worth showing.
    fn with_number(self) -> Shown {
        Shown { result: Meaning::Number, ..self }
    }

    /// Says which man page and which place of the book are about this call.
    fn about(self, man: &'static str, chapter: &'static str) -> Shown {
        Shown { man: Some(man), chapter: Some(chapter), ..self }
    }
}

/// A row of the table.
#[derive(Clone, Copy)]
pub struct Row {
    /// The name of the call, as in its man page's title.
    pub name: &'static str,
    /// Its number on this architecture.
    pub number: libc::c_long,
    /// Its man page.
    pub man: &'static str,
    /// The place in the book that is about it: a chapter, and the id of a heading.
    pub chapter: Option<&'static str>,
    /// Writes the call down: none where this one makes no container, as a write to any file does not.
    pub format: fn(&Entry) -> Option<Shown>,
}

/// Makes rows: `name(number) man, chapter, formatter;`
macro_rules! rows {
    ($($(#[$cfg:meta])* $name:literal $number:ident $man:literal $chapter:expr, $format:expr;)+) => {
        &[$($(#[$cfg])* Row {
            name: $name,
            number: libc::$number,
            man: $man,
            chapter: $chapter,
            format: $format,
        }),+]
    };
}

/// All calls that make a container, and no others.
pub const TABLE: &[Row] = rows! {
    "clone" SYS_clone "clone(2)" Some("common.md#clone"), processes::clone;
    "clone3" SYS_clone3 "clone(2)" Some("common.md#clone"), processes::clone3;
    #[cfg(target_arch = "x86_64")]
    "fork" SYS_fork "fork(2)" Some("common.md#clone"), processes::fork;
    #[cfg(target_arch = "x86_64")]
    "vfork" SYS_vfork "vfork(2)" Some("common.md#clone"), processes::vfork;
    "unshare" SYS_unshare "unshare(2)" Some("what-a-container-is.md#calls"), processes::unshare;
    "setns" SYS_setns "setns(2)" Some("what-a-container-is.md#calls"), processes::setns;
    "execve" SYS_execve "execve(2)" Some("common.md#exec"), processes::execve;
    "execveat" SYS_execveat "execveat(2)" Some("common.md#exec"), processes::execveat;

    "mount" SYS_mount "mount(2)" Some("04-mount.md#diff"), mounts::mount;
    "umount2" SYS_umount2 "umount(2)" Some("04-mount.md#diff"), mounts::umount2;
    "pivot_root" SYS_pivot_root "pivot_root(2)" Some("04-mount.md#diff"), mounts::pivot_root;
    "chroot" SYS_chroot "chroot(2)" Some("03-pid.md#diff"), mounts::chroot;
    "chdir" SYS_chdir "chdir(2)" Some("03-pid.md#diff"), mounts::chdir;
    "fchdir" SYS_fchdir "chdir(2)" Some("03-pid.md#diff"), mounts::fchdir;
    "fsopen" SYS_fsopen "fsopen(2)" None, mounts::fsopen;
    "fsconfig" SYS_fsconfig "fsconfig(2)" None, mounts::fsconfig;
    "fsmount" SYS_fsmount "fsmount(2)" None, mounts::fsmount;
    "fspick" SYS_fspick "fspick(2)" None, mounts::fspick;
    "open_tree" SYS_open_tree "open_tree(2)" None, mounts::open_tree;
    "move_mount" SYS_move_mount "move_mount(2)" None, mounts::move_mount;
    "mount_setattr" SYS_mount_setattr "mount_setattr(2)" None, mounts::mount_setattr;

    "sethostname" SYS_sethostname "sethostname(2)" Some("02-uts-hostname.md#diff"), others::sethostname;
    "setdomainname" SYS_setdomainname "setdomainname(2)" Some("01-uts.md#shell"), others::setdomainname;

    "write" SYS_write "write(2)" None, files::write;
    "pwrite64" SYS_pwrite64 "pwrite(2)" None, files::write;
    "writev" SYS_writev "writev(2)" None, files::writev;
    #[cfg(target_arch = "x86_64")]
    "mkdir" SYS_mkdir "mkdir(2)" Some("08-cgroups.md#order"), files::mkdir;
    "mkdirat" SYS_mkdirat "mkdir(2)" Some("08-cgroups.md#order"), files::mkdirat;
    #[cfg(target_arch = "x86_64")]
    "rmdir" SYS_rmdir "rmdir(2)" Some("08-cgroups.md#remove"), files::rmdir;
    "unlinkat" SYS_unlinkat "unlink(2)" Some("08-cgroups.md#remove"), files::unlinkat;

    "sendto" SYS_sendto "rtnetlink(7)" Some("06-network.md#netlink"), netlink::sendto;
    "sendmsg" SYS_sendmsg "rtnetlink(7)" Some("06-network.md#netlink"), netlink::sendmsg;

    "mq_open" SYS_mq_open "mq_open(3)" Some("07-ipc.md#run"), others::mq_open;
    "msgget" SYS_msgget "msgget(2)" Some("07-ipc.md#run"), others::msgget;
    "semget" SYS_semget "semget(2)" Some("07-ipc.md#run"), others::semget;
    "shmget" SYS_shmget "shmget(2)" Some("07-ipc.md#run"), others::shmget;

    "prctl" SYS_prctl "prctl(2)" None, others::prctl;
    "capset" SYS_capset "capset(2)" Some("05-user.md#may"), others::capset;
    "setuid" SYS_setuid "setuid(2)" Some("05-user.md#maps"), others::setuid;
    "setgid" SYS_setgid "setgid(2)" Some("05-user.md#maps"), others::setgid;
    "setreuid" SYS_setreuid "setreuid(2)" Some("05-user.md#maps"), others::setreuid;
    "setregid" SYS_setregid "setreuid(2)" Some("05-user.md#maps"), others::setregid;
    "setresuid" SYS_setresuid "setresuid(2)" Some("05-user.md#maps"), others::setresuid;
    "setresgid" SYS_setresgid "setresuid(2)" Some("05-user.md#maps"), others::setresgid;
    "setgroups" SYS_setgroups "setgroups(2)" Some("05-user.md#setgroups"), others::setgroups;
    "setsid" SYS_setsid "setsid(2)" Some("common.md#signals"), others::setsid;
    "seccomp" SYS_seccomp "seccomp(2)" None, others::seccomp;
    "landlock_create_ruleset" SYS_landlock_create_ruleset "landlock_create_ruleset(2)" None,
        others::landlock_create_ruleset;
    "landlock_add_rule" SYS_landlock_add_rule "landlock_add_rule(2)" None, others::landlock_add_rule;
    "landlock_restrict_self" SYS_landlock_restrict_self "landlock_restrict_self(2)" None,
        others::landlock_restrict_self;
    "keyctl" SYS_keyctl "keyctl(2)" None, others::keyctl;
};

/// The calls that the kernel's answer to a netlink request is read with. They are looked at while one is awaited.
pub const ANSWERS: [libc::c_long; 2] = [libc::SYS_recvfrom, libc::SYS_recvmsg];

/// Returns the row of the call with this number.
pub fn row(number: u64) -> Option<&'static Row> {
    TABLE.iter().find(|row| u64::try_from(row.number) == Ok(number))
}

/// Writes a call down that the table does not have: its name, and its arguments as numbers.
pub fn other(number: u64, entry: &Entry) -> Shown {
    let number = i64::try_from(number).ok().and_then(syscall_numbers::native::sys_call_name);
    let args: Vec<_> = entry.args.iter().map(|arg| format!("{arg:#x}")).collect();
    format!("{}({})", number.unwrap_or("?"), args.join(", ")).into()
}

impl Entry {
    fn memory(&self) -> Memory {
        Memory(self.task)
    }

    /// Returns an argument that is an int.
    fn int(&self, index: usize) -> i32 {
        self.args[index] as i32
    }

    /// Returns an argument that is a text, as it is; `NULL`, where it is none; `?`, where it can't be read.
    fn text(&self, index: usize) -> String {
        self.text_at(self.args[index])
    }

    fn text_at(&self, address: u64) -> String {
        match address {
            0 => "NULL".into(),
            address => self.memory().text(address).map_or("?".into(), |text| quoted(&text)),
        }
    }

    /// Returns a path. One that names a descriptor of the process, as /proc/self/fd/3 does, is written as that.
    fn path(&self, index: usize) -> String {
        let path = self.text(index);
        let descriptor = ["/proc/self/fd/", "/proc/thread-self/fd/"]
            .iter()
            .find_map(|prefix| path.strip_prefix(prefix)?.parse().ok());
        descriptor.map_or(path, |descriptor| self.described(descriptor))
    }

    /// Returns a directory that paths are relative to, and a path: both in one where that is what is meant.
    fn path_at(&self, directory: usize, path: usize) -> String {
        let text = self.path(path);
        let directory = self.int(directory);
        if text.starts_with('/') || directory == libc::AT_FDCWD {
            return text;
        }
        // With AT_EMPTY_PATH it is the descriptor itself that is meant.
        if text == "\"\"" || text == "NULL" {
            return self.described(directory);
        }
        match descriptor::path(self.task, directory) {
            Some(path) if path.is_absolute() => {
                let path = quoted(path.as_os_str().as_encoded_bytes());
                format!("{}/{text}", path.trim_end_matches('/'))
            }
            _ => format!("{directory}/{text}"),
        }
    }

    /// Returns a descriptor and what it refers to: `3=/proc`. A file of a mount that is nowhere has a path of its own.
    fn descriptor(&self, index: usize) -> String {
        self.described(self.int(index))
    }

    fn described(&self, number: i32) -> String {
        match descriptor::path(self.task, number) {
            // The path of what is mounted nowhere begins at itself.
            Some(path) if path == Path::new("/") && descriptor::is_detached(self.task, number) => {
                format!("{number}=detached")
            }
            Some(path) => format!("{number}={}", path.to_string_lossy().escape_default()),
            None => number.to_string(),
        }
    }

    fn flags(&self, index: usize, flags: Flags) -> String {
        // All of them are of type int, or have no bits in the upper half.
        flags.show(self.args[index] & 0xffff_ffff)
    }
}
