//! The options of a stage, as its own command line has them.

use std::ffi::OsString;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use common::rootfs;

/// What a stage's command line can say.
#[derive(clap::Args)]
pub struct Options {
    /// Stage whose container it is: 03 to 08, by its number, its folder or its package
    #[arg(long, value_name = "STAGE", default_value = "08")]
    pub stage: Stage,
    /// Shell to run
    #[arg(long, value_name = "PATH", default_value = "/bin/sh")]
    pub nsshell: PathBuf,
    /// Hostname in the container
    #[arg(long, value_name = "NAME", default_value = "nshost")]
    pub nshostname: OsString,
    /// Directory that becomes / in the container
    #[arg(long, value_name = "DIR", default_value = rootfs::DEFAULT)]
    pub rootfs: PathBuf,
    /// How many processes the container can have, from stage 08 on [default: 20]
    #[arg(long, value_name = "N|max")]
    pub pids_max: Option<PidsMax>,
    /// Refused: a runtime lays no cable
    #[arg(long, value_name = "IPV4", hide = true)]
    pub address: Option<Ipv4Addr>,
    /// Refused: a runtime lays no cable
    #[arg(long, value_name = "HELPER", hide = true)]
    pub netsetgo: Option<PathBuf>,
    /// Command for the shell, as in `sh -c COMMAND`
    #[arg(short, value_name = "COMMAND")]
    pub command: Option<OsString>,
}

impl Options {
    /// Fails if the stage does not have one of these options, or nobody but the stage could do what it asks for.
    ///
    /// # Errors
    ///
    /// One line that names the option, and says who does this where there is no stage.
    pub fn ensure_can_be_told(&self) -> Result<()> {
        let stage = self.stage;
        for (option, given, since) in [
            ("--address", self.address.is_some(), Stage::NETWORK),
            ("--netsetgo", self.netsetgo.is_some(), Stage::NETWORK),
            ("--pids-max", self.pids_max.is_some(), Stage::CGROUPS),
        ] {
            ensure!(!given || stage >= since, "{option}: stage {stage} has no such option");
        }
        if self.address.is_some() || self.netsetgo.is_some() {
            bail!(
                "--address, --netsetgo: a runtime makes a network namespace and lays no cable to it; that is \
                 for an engine's network plugin"
            );
        }
        Ok(())
    }
}

/// A stage that makes a container with a root directory of its own: 3 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stage(u8);

/// Their folders, and their packages.
const STAGES: [(&str, &str); 6] = [
    ("03-pid", "pid"),
    ("04-mount", "mount"),
    ("05-user", "user"),
    ("06-network", "network"),
    ("07-ipc", "ipc"),
    ("08-cgroups", "cgroups"),
];

impl Stage {
    /// The first that has mounts of its own.
    pub const MOUNT: Stage = Stage(4);
    /// The first that has id maps.
    pub const USER: Stage = Stage(5);
    /// The first that has a network of its own.
    pub const NETWORK: Stage = Stage(6);
    /// The first that has message queues of its own.
    pub const IPC: Stage = Stage(7);
    /// The first that has a limit of processes.
    pub const CGROUPS: Stage = Stage(8);
}

impl FromStr for Stage {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Stage, Self::Err> {
        let numbers = 3u8..;
        let known = numbers.zip(STAGES).find(|(number, (folder, package))| {
            text == *folder || text == *package || text.parse() == Ok(*number)
        });
        known.map(|(number, _)| Stage(number)).ok_or("not one of 03 to 08")
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(STAGES[usize::from(self.0) - 3].0)
    }
}

/// A limit of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidsMax {
    /// So many, threads included.
    Number(i64),
    /// As many as there are.
    Max,
}

/// The most that pids.max takes, as in stage 08: the highest number of processes that a 64-bit machine can have.
const HIGHEST: i64 = 4 * 1024 * 1024;

impl FromStr for PidsMax {
    type Err = String;

    fn from_str(text: &str) -> Result<PidsMax, String> {
        match text.parse() {
            _ if text == "max" => Ok(PidsMax::Max),
            // crun and runc read 0 as no limit.
            Ok(0) => {
                Err("0 is no limit to a runtime, which needs one process to begin with".into())
            }
            Ok(limit) if (1..=HIGHEST).contains(&limit) => Ok(PidsMax::Number(limit)),
            _ => Err(format!("not a number from 1 to {HIGHEST}, nor `max`")),
        }
    }
}
