//! Facts about this process and its host that decide why the kernel says no.

mod caller;
mod process;
mod programs;

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

pub use self::caller::{Caller, Engine};
use self::process::{CAP_SETFCAP, CAP_SYS_ADMIN, CAP_SYS_CHROOT, Status, UidMap, read};
pub(crate) use self::process::{in_first_user_namespace, is_sudo, overflow_id};
pub(crate) use self::programs::directories;
pub use self::programs::{Programs, is_installed};
use crate::mounts;

/// Facts about this process and its host that decide why the kernel says no.
#[derive(Clone, Debug, Default)]
pub struct HostFacts {
    /// The stage as `cargo run -p` takes it.
    pub package: String,
    /// Whether this process is root in its user namespace.
    pub root: bool,
    /// Whether it may do what takes CAP_SYS_ADMIN there.
    pub cap_sys_admin: bool,
    /// Whether it may change its root directory: CAP_SYS_CHROOT.
    pub cap_sys_chroot: bool,
    /// Whether it may map root's id in a user namespace that it makes: CAP_SETFCAP, Linux 5.12.
    pub cap_setfcap: bool,
    /// Whether root of the machine can raise a limit of this process: CAP_SYS_RESOURCE.
    pub limits_can_be_raised: bool,
    /// Whether prlimit(1) is there.
    pub prlimit: bool,
    /// Whether it has a seccomp(2) filter, as in a Docker container.
    pub seccomp: bool,
    /// Whether a filter, or the lack of a capability, keeps it from setting the hostname.
    pub hostname_refused: bool,
    /// Whether this is not the first user namespace.
    pub user_namespace: bool,
    /// Whether this user namespace maps no id of this process's user, or one that is taken for that.
    pub without_id: bool,
    /// Whether /proc is not mounted.
    pub no_proc: bool,
    /// What is mounted over parts of /proc, as in a Docker container: the last one first.
    pub proc_covered: Vec<String>,
    /// Whether the root directory is one that can be changed.
    pub root_mount: RootMount,
    /// Whether AppArmor is at work: apparmor(7).
    pub apparmor: bool,
    /// The AppArmor profile that confines this process, if one does.
    pub apparmor_profile: Option<String>,
    /// Who has started the program.
    pub caller: Caller,
    /// Whether sudo(8) is there, and can make an ordinary user the machine's root.
    pub sudo: bool,
    /// Whether sudo(8) is missing, and su(1) has to do.
    pub without_sudo: bool,
    /// Whether systemd is process 1, and for an ordinary user, whether one of their own runs.
    pub systemd: bool,
    /// Whether sysctl(8) is there.
    pub sysctl: bool,
    /// Whether unshare(1) is there, and no filter keeps it from unshare(2).
    pub unshare: bool,
    /// The first of [`DEVICES`] that is missing in /dev, or is no device there.
    pub missing_device: Option<(&'static str, &'static str)>,
    /// The version of the Windows Subsystem for Linux, if this is one.
    pub wsl: Option<u8>,
    /// Sysctls that restrict user namespaces; None where the kernel has no such.
    pub max_user_namespaces: Option<u64>,
    /// Those of `LIMITS` that are too low for the start of a container.
    pub low_namespace_limits: Vec<&'static str>,
    /// Debian's switch: 0 keeps user namespaces for root.
    pub unprivileged_userns_clone: Option<u64>,
    /// Ubuntu's switch: 1 takes the capabilities from an ordinary user's user namespaces.
    pub apparmor_restrict_unprivileged_userns: Option<u64>,
    /// Where the controllers are.
    pub cgroups: Cgroups,
    /// Whether there is /sys/fs/cgroup, to mount cgroups on.
    pub sysfs: bool,
    /// Whether /proc tells of the controllers, and not of processes alone.
    pub proc_cgroups: bool,
    /// Whether the controller pids is in a hierarchy of cgroup v1; None where the kernel has no such.
    pub pids_is_v1: Option<bool>,
    /// The program that installs packages here, with its arguments.
    pub installer: Option<&'static str>,
}

/// What the root directory of a process is, in its mount namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootMount {
    /// A mount, as usual
    #[default]
    Mounted,
    /// Not a mount, as after chroot(2)
    Chroot,
    /// The kernel's first one, which cannot be moved away: pivot_root(2), notes
    Initramfs,
}

/// Which cgroups are mounted below /sys/fs/cgroup: cgroups(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cgroups {
    /// None
    #[default]
    None,
    /// Version 1: a hierarchy for each controller
    V1,
    /// Version 1 with the controllers, and beside it version 2 without any
    Hybrid,
    /// Version 2
    V2,
}

impl HostFacts {
    /// Returns the facts about this process, which runs the program of a stage.
    pub fn now() -> HostFacts {
        let status = Status::read();
        let capabilities = status.set("CapEff");
        let caller = Caller::get();
        let programs = caller.programs;
        let sysctl = |name: &str| read(&format!("/proc/sys/{name}")).trim().parse().ok();
        let program = fs::read_link("/proc/self/exe").unwrap_or_default();
        let program = program.file_name().unwrap_or_default().to_string_lossy();
        HostFacts {
            // The folder's name without its number.
            package: program.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').into(),
            root: nix::unistd::geteuid().is_root(),
            cap_sys_admin: capabilities & CAP_SYS_ADMIN != 0,
            cap_sys_chroot: capabilities & CAP_SYS_CHROOT != 0,
            cap_setfcap: capabilities & CAP_SETFCAP != 0,
            limits_can_be_raised: caller.raises_limits,
            prlimit: programs.prlimit,
            seccomp: status.field("Seccomp") == "2",
            // Too long to be set. Whether this process may is asked first: sethostname(2).
            hostname_refused: sethostname("n".repeat(65)) == Err(Errno::EPERM),
            user_namespace: !in_first_user_namespace(),
            without_id: is_without_id(),
            // The link is there, and leads nowhere where /proc is another PID namespace's.
            no_proc: Path::new("/proc/self").symlink_metadata().is_err(),
            proc_covered: covered(&read("/proc/self/mounts")),
            root_mount: RootMount::of(&read("/proc/self/mountinfo")),
            apparmor: read("/sys/module/apparmor/parameters/enabled").trim() == "Y",
            apparmor_profile: enforced(&read("/proc/self/attr/apparmor/current")),
            caller,
            sudo: programs.sudo && caller.administers,
            without_sudo: !programs.sudo,
            systemd: caller.systemd,
            sysctl: programs.sysctl,
            // Nothing is asked for, and given.
            unshare: programs.unshare && unshare(CloneFlags::empty()).is_ok(),
            missing_device: DEVICES
                .into_iter()
                .find(|(name, _)| mounts::open_device(name).is_err()),
            wsl: wsl(&read("/proc/sys/kernel/osrelease")),
            max_user_namespaces: sysctl("user/max_user_namespaces"),
            low_namespace_limits: LIMITS
                .map(|(_, name)| name)
                .into_iter()
                .filter(|name| {
                    let limit = sysctl(&format!("user/{name}"));
                    limit.is_some_and(|limit| limit < least(name))
                })
                .collect(),
            unprivileged_userns_clone: sysctl("kernel/unprivileged_userns_clone"),
            apparmor_restrict_unprivileged_userns: sysctl(
                "kernel/apparmor_restrict_unprivileged_userns",
            ),
            cgroups: Cgroups::here(),
            sysfs: Path::new("/sys/fs/cgroup").exists(),
            proc_cgroups: Path::new("/proc/cgroups").exists(),
            pids_is_v1: pids_is_v1(&read("/proc/cgroups")),
            installer: programs.installer,
        }
    }

    /// Whether this process is root of the machine, or of a container that calls its root that.
    pub fn is_first_root(&self) -> bool {
        self.root && !self.user_namespace
    }
}

/// Whether files that belong to this user show the id that stands for all that have none: user_namespaces(7).
fn is_without_id() -> bool {
    let (map, id) = (UidMap::of("self"), nix::unistd::geteuid().as_raw());
    !map.is_first() && (!map.has(id) || id == overflow_id())
}

/// Returns what is mounted over parts of /proc, the last one first: proc_pid_mounts(5).
fn covered(mounts: &str) -> Vec<String> {
    let targets = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
    let below = targets.filter(|target| target.starts_with("/proc/"));
    // The kernel has these directories for mounts alone, so they cover nothing.
    let covers = |target: &&str| !["/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd"].contains(target);
    // The kernel's names there have none of the characters that this file escapes.
    below.filter(covers).map(str::to_owned).collect()
}

/// Returns the name of a profile, of what `/proc/PID/attr/apparmor/current` says: the name and its mode, or `unconfined`. In
/// other modes than this one a profile denies nothing.
fn enforced(current: &str) -> Option<String> {
    current.trim().strip_suffix(" (enforce)").map(str::to_owned)
}

impl RootMount {
    /// Reads /proc/PID/mountinfo: proc_pid_mountinfo(5).
    fn of(mountinfo: &str) -> RootMount {
        // The one that was mounted last lies on top.
        let root = mountinfo.lines().rev().find(|line| line.split(' ').nth(4) == Some("/"));
        let kind = root.and_then(|line| line.split(" - ").nth(1)?.split(' ').next());
        match kind {
            None => RootMount::Chroot,
            Some("rootfs") => RootMount::Initramfs,
            Some(_) => RootMount::Mounted,
        }
    }
}

/// The devices that a container gets of its host's, from stage 04 on, and their numbers, major and minor: null(4),
/// full(4), random(4), tty(4).
pub const DEVICES: [(&str, &str); 6] = [
    ("null", "1 3"),
    ("zero", "1 5"),
    ("full", "1 7"),
    ("random", "1 8"),
    ("urandom", "1 9"),
    ("tty", "5 0"),
];

/// The sysctls that limit how many namespaces of a kind a user has, in this user namespace: namespaces(7).
pub(crate) const LIMITS: [(CloneFlags, &str); 7] = [
    (CloneFlags::CLONE_NEWCGROUP, "max_cgroup_namespaces"),
    (CloneFlags::CLONE_NEWIPC, "max_ipc_namespaces"),
    (CloneFlags::CLONE_NEWNS, "max_mnt_namespaces"),
    (CloneFlags::CLONE_NEWNET, "max_net_namespaces"),
    (CloneFlags::CLONE_NEWPID, "max_pid_namespaces"),
    (CloneFlags::CLONE_NEWUSER, "max_user_namespaces"),
    (CloneFlags::CLONE_NEWUTS, "max_uts_namespaces"),
];

/// How many namespaces may have to be there for a container to be started: its own and its caller's, which may count; and of
/// mount namespaces those of two mounts that are in no place yet.
fn least(limit: &str) -> u64 {
    if limit == "max_mnt_namespaces" { 4 } else { 2 }
}

impl Cgroups {
    fn here() -> Cgroups {
        let exists = |path: &str| Path::new("/sys/fs/cgroup").join(path).exists();
        match (exists("cgroup.controllers"), exists("unified/cgroup.controllers")) {
            (true, _) => Cgroups::V2,
            (false, true) => Cgroups::Hybrid,
            (false, false) if read("/proc/self/mounts").contains(" cgroup ") => Cgroups::V1,
            (false, false) => Cgroups::None,
        }
    }
}

/// Reads /proc/cgroups: name, hierarchy (0 for v2), number of cgroups, enabled.
fn pids_is_v1(table: &str) -> Option<bool> {
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let pids = table
        .lines()
        .map(columns)
        .find(|columns| columns.first().is_some_and(|name| name == "pids"))?;
    (pids.get(3)? == "1").then(|| pids[1] != "0")
}

/// Returns the version of the Windows Subsystem for Linux with a kernel of this name, if it is one:
/// `4.4.0-19041-Microsoft`, or `6.6.87.2-microsoft-standard-WSL2`.
fn wsl(release: &str) -> Option<u8> {
    let release = release.to_ascii_lowercase();
    match (release.contains("microsoft"), release.contains("wsl2")) {
        (_, true) => Some(2),
        // The first kernels of version 2 said "microsoft-standard" alone; version 1 says "-Microsoft".
        (true, false) => Some(if release.contains("standard") { 2 } else { 1 }),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{RootMount, enforced, pids_is_v1, wsl};

    #[test]
    fn a_root_directory_that_is_no_mount_is_one_after_a_chroot() {
        let mounted = "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n";
        let proc = "22 21 0:20 / /proc rw - proc proc rw\n";
        assert_eq!(RootMount::of(&format!("{mounted}{proc}")), RootMount::Mounted);
        assert_eq!(RootMount::of(proc), RootMount::Chroot);
        let first = "1 1 0:2 / / rw - rootfs rootfs rw\n";
        assert_eq!(RootMount::of(first), RootMount::Initramfs);
        assert_eq!(RootMount::of(&format!("{first}{mounted}")), RootMount::Mounted);
    }

    #[test]
    fn an_apparmor_profile_denies_in_its_own_mode_alone() {
        assert_eq!(enforced("/home/a b/** (enforce)\n").as_deref(), Some("/home/a b/**"));
        for current in ["unconfined\n", "containers (unconfined)\n", "snap.code (complain)\n", ""] {
            assert_eq!(enforced(current), None);
        }
    }

    #[test]
    fn the_names_of_wsls_kernels_tell_its_version() {
        assert_eq!(wsl("4.4.0-19041-Microsoft\n"), Some(1));
        assert_eq!(wsl("4.19.84-microsoft-standard\n"), Some(2));
        assert_eq!(wsl("6.6.87.2-microsoft-standard-WSL2\n"), Some(2));
        assert_eq!(wsl("6.18.44-generic\n"), None);
    }

    #[test]
    fn a_controller_that_is_switched_off_is_none() {
        let table = |line: &str| format!("#subsys_name\thierarchy\tnum_cgroups\tenabled\n{line}\n");
        assert_eq!(pids_is_v1(&table("pids\t8\t5\t1")), Some(true));
        assert_eq!(pids_is_v1(&table("pids\t0\t5\t1")), Some(false));
        assert_eq!(pids_is_v1(&table("pids\t0\t1\t0")), None);
        assert_eq!(pids_is_v1(""), None);
    }
}
