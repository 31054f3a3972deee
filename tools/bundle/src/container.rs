//! What a stage makes, before it is said in anybody's words.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use common::rootfs;

use crate::options::{Options, PidsMax, Stage};

/// A stage's container.
pub struct Container {
    /// The stage.
    pub stage: Stage,
    /// The directory that becomes `/`, checked.
    pub rootfs: PathBuf,
    /// Its hostname.
    pub hostname: String,
    /// The shell, and its arguments.
    pub shell: Vec<String>,
    /// Whether the shell is for somebody at a terminal: it has no command.
    pub interactive: bool,
    /// Its limit of processes.
    pub pids_max: Option<PidsMax>,
}

/// A file system that a stage mounts.
pub struct Mount {
    /// Where, in the container.
    pub destination: &'static str,
    /// The kind of file system: filesystems(5).
    pub kind: &'static str,
    /// What /proc/mounts will say that is mounted.
    pub source: &'static str,
    /// The options of mount(8).
    pub options: &'static [&'static str],
    /// The first stage that mounts it.
    since: Stage,
}

/// All of them, in the order of their mounting.
const MOUNTS: [Mount; 6] = [
    Mount {
        destination: "/proc",
        kind: "proc",
        source: "proc",
        options: &["nosuid", "nodev", "noexec"],
        // 03, and so all.
        since: Stage::MOUNT,
    },
    Mount {
        destination: "/temp",
        kind: "tmpfs",
        source: "godir",
        options: &["size=64m"],
        since: Stage::MOUNT,
    },
    Mount {
        destination: "/dev",
        kind: "tmpfs",
        source: "dev",
        options: &["nosuid", "mode=755", "size=64k"],
        since: Stage::MOUNT,
    },
    Mount {
        destination: "/dev/pts",
        kind: "devpts",
        source: "devpts",
        options: &["nosuid", "noexec", "newinstance", "ptmxmode=666", "mode=620"],
        since: Stage::MOUNT,
    },
    Mount {
        destination: "/dev/mqueue",
        kind: "mqueue",
        source: "mqueue",
        options: &["nosuid", "noexec"],
        since: Stage::IPC,
    },
    Mount {
        destination: "/dev/shm",
        kind: "tmpfs",
        source: "tmpfs",
        options: &["nosuid", "noexec", "mode=1777", "size=64m"],
        since: Stage::MOUNT,
    },
];

/// The environment that all stages give their shell; TERM is the caller's.
pub const ENVIRONMENT: [&str; 2] =
    ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"];

impl Container {
    /// Returns what the stage makes with these options and arguments for its shell. Makes the default root directory
    /// if it is missing, as a stage does.
    ///
    /// # Errors
    ///
    /// One line that names the option, or the root directory, and says what is wrong with it.
    pub fn new(options: Options, shell_args: Vec<OsString>) -> Result<Container> {
        options.ensure_can_be_told()?;
        let stage = options.stage;
        let hostname = text("--nshostname", options.nshostname)?;
        // An empty one would be none, and the container would have the host's.
        ensure!(
            (1..=64).contains(&hostname.len()),
            "--nshostname {hostname:?}: a hostname has 1 to 64 bytes"
        );
        let interactive = options.command.is_none();
        let mut shell = vec![text("--nsshell", options.nsshell)?];
        if let Some(command) = options.command {
            shell.extend(["-c".into(), text("-c", command)?]);
        }
        for word in shell_args {
            shell.push(text("an argument of the shell", word)?);
        }
        let rootfs = rootfs::prepare(&options.rootfs, shell[0].as_ref())?;
        let rootfs = rootfs.as_ref().to_path_buf();
        let pids_max = options.pids_max.unwrap_or(PidsMax::Number(20));
        let pids_max = Some(pids_max).filter(|_| stage >= Stage::CGROUPS);
        Ok(Container { stage, rootfs, hostname, shell, interactive, pids_max })
    }

    /// Returns what is mounted in it.
    ///
    /// A runtime makes its devices in the container's `/dev`. In stage 03, which mounts nothing there, they would be
    /// left in the root directory, and the shell would have no terminal: that one has the tmpfs and the devpts, too.
    pub fn mounts(&self) -> impl Iterator<Item = &'static Mount> {
        let stage = self.stage;
        let of_all = ["/proc", "/dev", "/dev/pts"];
        MOUNTS
            .iter()
            .filter(move |mount| stage >= mount.since || of_all.contains(&mount.destination))
    }

    /// Returns its environment: TERM as the caller has it, and what all stages set.
    pub fn environment(&self) -> Result<Vec<String>> {
        let mut environment: Vec<_> = ENVIRONMENT.into_iter().map(String::from).collect();
        if let Some(term) = env::var_os("TERM") {
            environment.push(format!("TERM={}", text("TERM", term)?));
        }
        Ok(environment)
    }

    /// Returns the root directory's path as text.
    pub fn rootfs(&self) -> Result<String> {
        text("--rootfs", Path::new(&self.rootfs))
    }
}

/// Returns what the option `name` says as text: JSON and YAML hold nothing else.
fn text(name: &str, words: impl Into<OsString>) -> Result<String> {
    let words = words.into();
    words.into_string().map_err(|words| anyhow::anyhow!("{name}: {words:?} is not UTF-8"))
}
