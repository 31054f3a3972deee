//! Which programs of this host a root directory gets.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Error, Result, ensure};
use nix::errno::Errno;

use super::contents::Contents;
use super::trust;
use crate::diagnosis::{Cause, Known};
use crate::host_facts::directories;
use crate::quote::shown;
use crate::signals;

/// The shell: the one thing that a container can't do without.
const SHELL: &str = "sh";

/// What the chapters use. A busybox that lacks one of these gets this host's.
const BASIC: [&str; 7] = ["ls", "ps", "mount", "hostname", "id", "ip", "ping"];

/// What makes a root directory of this host's own programs comfortable.
const COMFORT: &[&str] = &[
    "bash", "cat", "chmod", "chown", "chroot", "cp", "cut", "date", "dd", "df", "dirname", "echo",
    "env", "false", "find", "free", "grep", "head", "ipcmk", "ipcrm", "ipcs", "kill", "ln",
    "mkdir", "mknod", "mv", "nproc", "nsenter", "pgrep", "pidof", "printf", "pwd", "readlink",
    "rm", "rmdir", "sed", "seq", "sleep", "sort", "stat", "stty", "tail", "tee", "test", "touch",
    "tr", "true", "tty", "umount", "uname", "unshare", "vi", "wc", "whoami", "xargs",
];

/// What stands in for hostname(1), which common distributions lack.
const HOSTNAME: &str = "#!/bin/sh\nread -r name </proc/sys/kernel/hostname && echo \"$name\"\n";

/// Returns what a root directory can be made of here: busybox, or else this host's shell and those
/// of its tools that can be had. What is left out is said in the log, in one line.
///
/// # Errors
///
/// There is no shell that can be taken.
pub(super) fn of_this_host() -> Result<Contents> {
    signals::expect_children()?;
    let mut contents = Contents::default();
    let mut left_out = Vec::new();
    let busybox = add_busybox(&mut contents);
    let more: &[&str] = if busybox.is_ok() { &[] } else { COMFORT };
    left_out.extend(busybox.err().map(|error| ("busybox", error)));
    add_tool(&mut contents, SHELL).map_err(lacks_shell)?;
    for tool in BASIC.iter().chain(more) {
        match add_tool(&mut contents, tool) {
            Err(_) if *tool == "hostname" => contents.add_script(tool, HOSTNAME),
            Err(error) => left_out.push((tool, error)),
            Ok(()) => {}
        }
    }
    if !left_out.is_empty() {
        log::info!("left out of the root directory: {}", listed(&left_out));
    }
    Ok(contents)
}

fn lacks_shell(error: Error) -> Error {
    let errno = error.downcast_ref().and_then(io::Error::raw_os_error).map(Errno::from_raw);
    let cause = match errno {
        Some(Errno::EAGAIN) => Cause::ProcessLimit,
        Some(Errno::EMFILE) => Cause::FileLimit,
        _ => Cause::NoBusybox,
    };
    Known::new(cause, format!("a root directory needs a shell: {error:#}")).into()
}

/// There is no such program on this host.
#[derive(Debug)]
struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "no program {} on this host", self.0)
    }
}

impl std::error::Error for Missing {}

/// Writes a list of programs, each with a reason unless it is simply not there.
fn listed(left_out: &[(&str, Error)]) -> String {
    let item = |(name, error): &(&str, Error)| match error.downcast_ref::<Missing>() {
        Some(_) => (*name).to_owned(),
        None => format!("{name} ({error:#})"),
    };
    left_out.iter().map(item).collect::<Vec<_>>().join(", ")
}

/// Adds this host's busybox, with a link for each of its applets.
fn add_busybox(contents: &mut Contents) -> Result<()> {
    let applets = first_that_works("busybox", |busybox| {
        let applets = applets(busybox).with_context(|| shown(busybox))?;
        contents.add_program(busybox, "busybox").map(|()| applets)
    })?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        contents.add_link(applet, "busybox");
    }
    Ok(())
}

/// Asks a busybox for the names of its applets.
fn applets(busybox: &Path) -> Result<String> {
    let list = Command::new(busybox).arg("--list").stdin(Stdio::piped()).output();
    let list = list.context("execute it")?;
    ensure!(list.status.success(), "--list: {}", list.status);
    let applets = String::from_utf8(list.stdout).context("--list")?;
    ensure!(applets.lines().any(|applet| applet == SHELL), "it has no shell");
    Ok(applets)
}

/// Adds this host's program `name`, unless there is one of that name.
fn add_tool(contents: &mut Contents, name: &str) -> Result<()> {
    if contents.has(name) {
        return Ok(());
    }
    first_that_works(name, |program| contents.add_program(program, name))
}

/// Tries the executable files of this name in `PATH`, and where administrators' programs are.
/// Returns what `attempt` gives for the first that it can be done with.
///
/// # Errors
///
/// There is none, or the error for the first one.
fn first_that_works<T>(name: &str, mut attempt: impl FnMut(&Path) -> Result<T>) -> Result<T> {
    let mut first_error = None;
    for program in programs(name) {
        match trust::ensure_program(&program).and_then(|()| attempt(&program)) {
            Ok(done) => return Ok(done),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| Missing(name.into()).into()))
}

/// Lists the executable files of this name, in the order that a shell looks for them.
fn programs(name: &str) -> impl Iterator<Item = PathBuf> + use<'_> {
    let executable = |file: &PathBuf| {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
    };
    directories().into_iter().map(move |directory| directory.join(name)).filter(executable)
}
