//! Many starts: one after the other, and at once. And the root directory that the first of all starts makes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::rootfs;
use nix::mount::{MsFlags, mount, umount};
use nix::net::if_::if_nametoindex;

use crate::measure::{Candidate, Way, progress, take_turns};
use crate::programs::Programs;
use crate::report::{Report, Row};

/// The part's name in the tables.
pub const PART: &str = "many";

/// How many starts are one run.
const SIZES: [usize; 4] = [1, 10, 100, 500];

/// How many containers are there at once.
const AT_ONCE: usize = 50;

/// Measures many starts of 05 one after the other, and of 06 at once.
pub fn measure(programs: &Programs, quick: bool, report: &mut Report) -> Result<()> {
    let program = programs.default("05-user")?;
    let batches = if quick { 1 } else { 5 };
    let sizes = if quick { &SIZES[..2] } else { &SIZES[..] };
    let bar = progress(PART, batches * sizes.len());
    let mut times = vec![Vec::new(); sizes.len()];
    for _ in 0..batches {
        for (size, times) in sizes.iter().zip(&mut times) {
            // As many of the small ones as make a fair mean.
            let repeat = if quick { 1 } else { (100 / size).max(1) };
            let start = Instant::now();
            for _ in 0..size * repeat {
                let status = Command::new(&program).args(["--nsshell", "/bin/true"]).status()?;
                ensure!(status.success(), "05-user has failed: {status}");
            }
            times.push(start.elapsed() / (size * repeat) as u32);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    for (size, mut times) in sizes.iter().zip(times) {
        times.sort();
        report.add(Row {
            part: PART.into(),
            group: "05-user, one after the other, each".into(),
            name: size.to_string(),
            build: "default",
            min: times[0],
            median: times[times.len() / 2],
            cpu: None,
            peak: None,
        });
    }
    let program = programs.default("06-network")?;
    let at_once = Way::Timed(Box::new(move || start_at_once(&program)));
    let name = format!("{AT_ONCE} with as many addresses");
    let candidates = vec![Candidate::new("06-network, at once", &name, "default", at_once)];
    take_turns(PART, candidates, if quick { 1 } else { 5 }, report)
}

/// Starts containers until all are there at once. Returns how long that takes; fails if two have the same address,
/// one has none, or something of them is left when they have ended.
fn start_at_once(program: &Path) -> Result<Duration> {
    let start = Instant::now();
    let mut containers = Vec::new();
    for _ in 0..AT_ONCE {
        let mut command = Command::new(program);
        command.args(["-c", "ip addr show dev veth1; echo ready; read line || true"]);
        containers.push(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    }
    let addresses = containers.iter_mut().map(address).collect::<Result<BTreeSet<_>>>();
    let time = start.elapsed();
    for mut container in containers {
        drop(container.stdin.take());
        let status = container.wait().context("wait for a container")?;
        ensure!(status.success(), "a container has failed: {status}");
    }
    let addresses = addresses?;
    ensure!(addresses.len() == AT_ONCE, "{AT_ONCE} containers have {} addresses", addresses.len());
    ensure!(if_nametoindex("brg0").is_err(), "the bridge is left");
    Ok(time)
}

/// Returns what a container says of its address, when it has it.
fn address(container: &mut Child) -> Result<String> {
    let output = BufReader::new(container.stdout.as_mut().context("it is piped")?);
    let mut found = None;
    for line in output.lines() {
        let line = line.context("read from a container")?;
        if line == "ready" {
            break;
        }
        let mut words = line.split_whitespace();
        if words.next() == Some("inet") {
            found = words.next().map(str::to_owned);
        }
    }
    found.context("a container has no address")
}

/// Measures the making of the default root directory: with busybox, and of the host's own tools.
pub fn measure_root(rounds: usize, report: &mut Report) -> Result<()> {
    let make = || {
        fs::remove_dir_all(rootfs::DEFAULT).context("remove the root directory")?;
        let start = Instant::now();
        rootfs::prepare(rootfs::DEFAULT.as_ref(), rootfs::SHELL.as_ref())?;
        Ok(start.elapsed())
    };
    let has_busybox = Path::new(rootfs::DEFAULT).join("bin/busybox").exists();
    let rounds = rounds.div_ceil(10);
    let candidates =
        |name| vec![Candidate::new("root directory", name, "", Way::Timed(Box::new(make)))];
    if !has_busybox {
        return take_turns("root", candidates("of the host's tools"), rounds, report);
    }
    take_turns("root", candidates("of busybox"), rounds, report)?;
    // Covered, it is no program any more.
    let hidden: Vec<_> = ["/usr/bin/busybox", "/bin/busybox", "/usr/sbin/busybox", "/sbin/busybox"]
        .into_iter()
        .map(Path::new)
        .filter(|path| path.exists())
        .filter(|path| {
            mount(Some("/dev/null"), *path, None::<&str>, MsFlags::MS_BIND, None::<&str>).is_ok()
        })
        .collect();
    let measured = take_turns("root", candidates("of the host's tools"), rounds, report);
    hidden.iter().try_for_each(|path| umount(*path)).context("umount")?;
    measured
}
