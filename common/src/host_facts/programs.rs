//! What is installed.

use std::env;
use std::path::{Path, PathBuf};

/// Programs that advice is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Programs {
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

/// Those of `PATH`, but for one that depends on the current directory. An ordinary user's need not have root's in it.
fn directories() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<_> =
        env::split_paths(&path).filter(|path| path.is_absolute()).collect();
    for directory in ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"] {
        let directory = Path::new(directory);
        if !directories.iter().any(|known| known == directory) {
            directories.push(directory.to_owned());
        }
    }
    directories
}
