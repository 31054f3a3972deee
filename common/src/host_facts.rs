//! Facts about this process and its host that decide why the kernel says no.

use std::env;
use std::fs;
use std::path::Path;

/// Facts about this process and its host that decide why the kernel says no.
#[derive(Clone, Debug, Default)]
pub struct HostFacts {
    /// The stage as `cargo run -p` takes it.
    pub package: String,
    /// Whether this process is root in its user namespace.
    pub root: bool,
    /// Whether it may do what takes CAP_SYS_ADMIN there.
    pub cap_sys_admin: bool,
    /// Whether it may map root's id in a user namespace that it makes: CAP_SETFCAP, Linux 5.12.
    pub cap_setfcap: bool,
    /// Whether it has a seccomp(2) filter, as in a Docker container.
    pub seccomp: bool,
    /// Whether this is not the first user namespace.
    pub user_namespace: bool,
    /// Whether something is mounted over a part of /proc, as in a Docker container.
    pub proc_covered: bool,
    /// Whether the root directory is one that can be changed.
    pub root_mount: RootMount,
    /// Whether AppArmor is at work: apparmor(7).
    pub apparmor: bool,
    /// Whether sudo(8) is there, and can make an ordinary user the machine's root.
    pub sudo: bool,
    /// Whether unshare(1) is there.
    pub unshare: bool,
    /// What has started the container that this process is in, if one has.
    pub engine: Option<Engine>,
    /// The version of the Windows Subsystem for Linux, if this is one.
    pub wsl: Option<u8>,
    /// Sysctls that restrict user namespaces; None where the kernel has no such.
    pub max_user_namespaces: Option<u64>,
    /// Debian's switch: 0 keeps user namespaces for root.
    pub unprivileged_userns_clone: Option<u64>,
    /// Ubuntu's switch: 1 takes the capabilities from an ordinary user's user namespaces.
    pub apparmor_restrict_unprivileged_userns: Option<u64>,
    /// Where the controllers are.
    pub cgroups: Cgroups,
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

/// What starts containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// docker(1)
    Docker,
    /// podman(1)
    Podman,
    /// A pod of Kubernetes
    Kubernetes,
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

/// Bits in the capability sets: capabilities(7), and linux/capability.h.
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_SETFCAP: u64 = 1 << 31;

/// The programs that install packages, and how they are called.
const INSTALLERS: [(&str, &str); 5] = [
    ("apt-get", "apt-get install"),
    ("dnf", "dnf install"),
    ("apk", "apk add"),
    ("pacman", "pacman -S"),
    ("zypper", "zypper install"),
];

impl HostFacts {
    /// Returns the facts about this process, which runs the program of a stage.
    pub fn now() -> HostFacts {
        let status = read("/proc/self/status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        let set = |name| u64::from_str_radix(&field(name), 16).unwrap_or(0);
        let (capabilities, bounding) = (set("CapEff"), set("CapBnd"));
        let mounts = read("/proc/self/mounts");
        let sysctl = |name: &str| read(&format!("/proc/sys/{name}")).trim().parse().ok();
        // Systemd has a mount of its own there, which covers nothing.
        let covers = |line: &str| line.contains(" /proc/") && !line.contains("/binfmt_misc ");
        let program = fs::read_link("/proc/self/exe").unwrap_or_default();
        let program = program.file_name().unwrap_or_default().to_string_lossy();
        HostFacts {
            // The folder's name without its number.
            package: program.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').into(),
            root: nix::unistd::geteuid().is_root(),
            cap_sys_admin: capabilities & CAP_SYS_ADMIN != 0,
            cap_setfcap: capabilities & CAP_SETFCAP != 0,
            seccomp: field("Seccomp") == "2",
            user_namespace: !in_first_user_namespace(),
            proc_covered: mounts.lines().any(covers),
            root_mount: RootMount::of(&read("/proc/self/mountinfo")),
            apparmor: read("/sys/module/apparmor/parameters/enabled").trim() == "Y",
            sudo: has("sudo") && field("NoNewPrivs") != "1" && bounding & CAP_SYS_ADMIN != 0,
            unshare: has("unshare"),
            engine: Engine::here(&mounts),
            wsl: wsl(&read("/proc/sys/kernel/osrelease")),
            max_user_namespaces: sysctl("user/max_user_namespaces"),
            unprivileged_userns_clone: sysctl("kernel/unprivileged_userns_clone"),
            apparmor_restrict_unprivileged_userns: sysctl(
                "kernel/apparmor_restrict_unprivileged_userns",
            ),
            cgroups: Cgroups::here(),
            pids_is_v1: pids_is_v1(&read("/proc/cgroups")),
            installer: INSTALLERS
                .into_iter()
                .find(|(program, _)| has(program))
                .map(|(_, command)| command),
        }
    }

    /// Whether this process is root of the machine, or of a container that calls its root that.
    pub fn is_first_root(&self) -> bool {
        self.root && !self.user_namespace
    }
}

/// Whether a program is where a distribution puts it.
fn has(program: &str) -> bool {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"]
        .iter()
        .any(|bin| Path::new(bin).join(program).exists())
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

impl Engine {
    fn here(mounts: &str) -> Option<Engine> {
        // A machine whose files come from an image has Docker's file as well, and not its mounts.
        let is_docker = || mounts.contains(" /etc/hostname ") && Path::new("/.dockerenv").exists();
        if env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            Some(Engine::Kubernetes)
        } else if Path::new("/run/.containerenv").exists() {
            Some(Engine::Podman)
        } else if is_docker() {
            Some(Engine::Docker)
        } else {
            None
        }
    }
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

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
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

/// Whether this process is in the first user namespace, which maps all ids on themselves.
pub(crate) fn in_first_user_namespace() -> bool {
    // Without the file the kernel has no user namespaces. One that nobody has mapped yet has an empty file.
    let Ok(map) = fs::read_to_string("/proc/self/uid_map") else { return true };
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::{RootMount, pids_is_v1, wsl};

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
