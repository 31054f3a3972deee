//! What of this process and its machine decides why the kernel says no.

use std::env;
use std::fs;
use std::path::Path;

/// What of this process and its machine decides why the kernel says no.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// The stage as `cargo run -p` takes it.
    pub package: String,
    /// Whether this process is root in its user namespace.
    pub root: bool,
    /// Whether it may do what takes CAP_SYS_ADMIN there.
    pub cap_sys_admin: bool,
    /// Whether it has a seccomp(2) filter, as in a Docker container.
    pub seccomp: bool,
    /// Whether this is not the first user namespace.
    pub user_namespace: bool,
    /// Whether something is mounted over a part of /proc, as in a Docker container.
    pub proc_covered: bool,
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

/// Bit of CAP_SYS_ADMIN in the capability sets: capabilities(7).
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// The programs that install packages, and how they are called.
const INSTALLERS: [(&str, &str); 5] = [
    ("apt-get", "apt-get install"),
    ("dnf", "dnf install"),
    ("apk", "apk add"),
    ("pacman", "pacman -S"),
    ("zypper", "zypper install"),
];

impl Situation {
    /// Returns the situation of this process, which is the program of a stage.
    pub fn now() -> Situation {
        let status = read("/proc/self/status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        let capabilities = u64::from_str_radix(&field("CapEff"), 16).unwrap_or(0);
        let mounts = read("/proc/self/mounts");
        let sysctl = |name: &str| read(&format!("/proc/sys/{name}")).trim().parse().ok();
        // Systemd has a mount of its own there, which covers nothing.
        let covers = |line: &str| line.contains(" /proc/") && !line.contains("/binfmt_misc ");
        let program = fs::read_link("/proc/self/exe").unwrap_or_default();
        let program = program.file_name().unwrap_or_default().to_string_lossy();
        Situation {
            // The folder's name without its number.
            package: program.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').into(),
            root: nix::unistd::geteuid().is_root(),
            cap_sys_admin: capabilities & CAP_SYS_ADMIN != 0,
            seccomp: field("Seccomp") == "2",
            user_namespace: !in_first_user_namespace(),
            proc_covered: mounts.lines().any(covers),
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
                .find(|(program, _)| {
                    ["/usr/bin", "/sbin"].iter().any(|bin| Path::new(bin).join(program).exists())
                })
                .map(|(_, command)| command),
        }
    }

    /// Whether this process is root of the machine, or of a container that calls its root that.
    pub fn is_first_root(&self) -> bool {
        self.root && !self.user_namespace
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
    // Without the file the kernel has no user namespaces.
    let map = read("/proc/self/uid_map");
    let numbers: Vec<_> = map.split_whitespace().collect();
    numbers.is_empty() || numbers == ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::{pids_is_v1, wsl};

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
