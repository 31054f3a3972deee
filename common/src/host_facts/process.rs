//! What /proc says of this process.

use std::env;
use std::fs;
use std::sync::OnceLock;

use nix::libc;

/// Bits in the capability sets: capabilities(7), and linux/capability.h.
pub(super) const CAP_SYS_CHROOT: u64 = 1 << 18;
pub(super) const CAP_SYS_ADMIN: u64 = 1 << 21;
pub(super) const CAP_SYS_RESOURCE: u64 = 1 << 24;
pub(super) const CAP_SETFCAP: u64 = 1 << 31;

/// What /proc/PID/status says of this process: proc_pid_status(5).
pub(super) struct Status(String);

impl Status {
    pub(super) fn read() -> Status {
        Status(read("/proc/self/status"))
    }

    pub(super) fn field(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    }

    /// A set of capabilities.
    pub(super) fn set(&self, name: &str) -> u64 {
        u64::from_str_radix(self.field(name), 16).unwrap_or(0)
    }
}

/// Whether root here may have this capability, one of the bits above: capabilities(7), "Capability bounding set".
pub(super) fn may_have(capability: u64) -> bool {
    // SAFETY: PR_CAPBSET_READ takes a number: prctl(2).
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability.trailing_zeros()) == 1 }
}

/// The user ids of a process's user namespace, as /proc/PID/uid_map shows them: user_namespaces(7). One that nobody has
/// mapped yet has an empty file.
#[derive(PartialEq, Eq)]
pub(super) struct UidMap(Option<String>);

impl UidMap {
    /// - `process`: its id, or `self`.
    pub(super) fn of(process: &str) -> UidMap {
        UidMap(fs::read_to_string(format!("/proc/{process}/uid_map")).ok())
    }

    /// Whether it shows any id, to be compared by.
    pub(super) fn shows_any(&self) -> bool {
        self.0.as_ref().is_some_and(|map| !map.is_empty())
    }

    /// Whether it is the first user namespace's, which maps all ids on themselves. Without the file the kernel has no
    /// other.
    pub(super) fn is_first(&self) -> bool {
        let is_first = |map: &String| map.split_whitespace().eq(["0", "0", "4294967295"]);
        self.0.as_ref().is_none_or(is_first)
    }

    /// Whether it maps this id inside.
    pub(super) fn has(&self, id: u32) -> bool {
        let is_in = |line: &str| {
            let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().ok());
            let (first, _, size) = (numbers.next()??, numbers.next()??, numbers.next()??);
            Some((first..first + size).contains(&u64::from(id)))
        };
        self.0.as_ref().is_none_or(|map| map.lines().any(|line| is_in(line) == Some(true)))
    }

    /// Whether there is a root, for a set-user-ID program to make its caller that.
    pub(super) fn has_root(&self) -> bool {
        let has_root =
            |map: &String| map.lines().any(|line| line.split_whitespace().next() == Some("0"));
        self.0.as_ref().is_none_or(has_root)
    }
}

/// Whether this process is in the first user namespace.
pub(crate) fn in_first_user_namespace() -> bool {
    UidMap::of("self").is_first()
}

/// Whether sudo(8) has started this process as root.
pub(crate) fn is_sudo() -> bool {
    nix::unistd::geteuid().is_root() && env::var_os("SUDO_UID").is_some()
}

/// What a user namespace shows for an id that it does not map: user_namespaces(7). It is asked for once: each directory
/// above a root directory is compared with it.
pub(crate) fn overflow_id() -> u32 {
    static ID: OnceLock<u32> = OnceLock::new();
    *ID.get_or_init(|| read("/proc/sys/kernel/overflowuid").trim().parse().unwrap_or(65534))
}

/// Returns what is in a file, or nothing where it can't be read.
pub(super) fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
