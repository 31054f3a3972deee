//! The commands that have an engine run an image as its stage would.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Format, NAME};
use crate::container::Container;
use crate::options::{PidsMax, Stage};

/// Returns the command lines that load the image from `file`, and run it: with Docker for its own archive, with Podman for
/// the other. What the image can't say they ask for: hostname, mounts, network, limit.
///
/// # Errors
///
/// The path can't be quoted.
pub fn commands(container: &Container, file: &Path, format: Format) -> Result<String> {
    let engine = match format {
        Format::Oci => "podman",
        Format::Docker => "docker",
    };
    let file = file.to_str().context("the path is not UTF-8")?;
    let load = [engine, "load", "-i", file].map(String::from);
    Ok(format!("{}\n{}\n", line(&load)?, line(&run(container, engine))?))
}

fn run(container: &Container, engine: &str) -> Vec<String> {
    let terminal = if container.interactive { "-it" } else { "-i" };
    let mut words: Vec<String> = [engine, "run", "--rm", terminal].map(String::from).to_vec();
    let mut option = |name: &str, value: &str| words.extend([name.into(), value.into()]);
    let stage = container.stage;
    option("--hostname", &container.hostname);
    if stage >= Stage::MOUNT {
        // Their default is noexec; 04 mounts without.
        option("--tmpfs", "/temp:exec,suid,dev,size=64m");
    }
    if stage >= Stage::USER && engine == "podman" {
        // Docker maps ids for all containers of an engine, or for none: dockerd --userns-remap.
        option("--uidmap", "0:0:1");
    }
    let own = |since| if stage >= since { "private" } else { "host" };
    option("--network", if stage >= Stage::NETWORK { "none" } else { "host" });
    option("--ipc", own(Stage::IPC));
    option("--cgroupns", own(Stage::CGROUPS));
    match container.pids_max {
        Some(PidsMax::Number(limit)) => option("--pids-limit", &limit.to_string()),
        Some(PidsMax::Max) | None => option("--pids-limit", "-1"),
    }
    words.push(NAME.into());
    words
}

/// Returns the words as a line for the shell.
fn line(words: &[String]) -> Result<String> {
    let words = words.iter().map(String::as_str);
    shlex::try_join(words).context("quote for the shell")
}
