//! What is installed.

use std::env;
use std::path::PathBuf;

/// Programs that advice is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Programs {
    /// prlimit(1)
    pub prlimit: bool,
    /// sudo(8)
    pub sudo: bool,
    /// sysctl(8)
    pub sysctl: bool,
    /// unshare(1)
    pub unshare: bool,
    /// The one that installs packages, with its arguments.
    pub installer: Option<&'static str>,
}

/// The programs that install packages, and how they are called.
pub(super) const INSTALLERS: [(&str, &str); 5] = [
    ("apt-get", "apt-get install"),
    ("dnf", "dnf install"),
    ("apk", "apk add"),
    ("pacman", "pacman -S"),
    ("zypper", "zypper install"),
];

impl Programs {
    pub(super) fn here() -> Programs {
        let directories = directories();
        let has = |program: &str| is_in(&directories, program);
        let installer = INSTALLERS.into_iter().find(|(program, _)| has(program));
        Programs {
            prlimit: has("prlimit"),
            sudo: has("sudo"),
            sysctl: has("sysctl"),
            unshare: has("unshare"),
            installer: installer.map(|(_, command)| command),
        }
    }
}

/// Whether a program is installed: in `PATH`, or where a distribution puts it.
pub fn is_installed(program: &str) -> bool {
    is_in(&directories(), program)
}

fn is_in(directories: &[PathBuf], program: &str) -> bool {
    directories.iter().any(|directory| directory.join(program).is_file())
}

/// The directories that programs are in, in the order that a shell looks for them: those of `PATH`, but for one that is wherever
/// the caller happens to be, and those of a distribution. An ordinary user's `PATH` need not have root's in it.
pub(crate) fn directories() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"].map(PathBuf::from);
    env::split_paths(&path).chain(usual).filter(|directory| directory.is_absolute()).collect()
}
