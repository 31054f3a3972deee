//! Runs candidates in turns, and keeps what each run took.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use nix::errno::Errno;
use nix::libc;
use nix::unistd::Pid;

use crate::report::{Report, Row};

/// How a candidate is run.
pub enum Way {
    /// A program.
    Program(Command),
    /// A child that this program clones itself.
    Clone(Box<dyn Fn() -> Result<Pid>>),
    /// Something that takes its own time.
    Timed(Box<dyn Fn() -> Result<Duration>>),
}

/// Something to measure, beside others.
pub struct Candidate {
    /// What it belongs to; the first of a group is what the others are compared with.
    pub group: String,
    /// Its name.
    pub name: String,
    /// How it is linked, where that makes a difference.
    pub build: &'static str,
    way: Way,
    clean_up: fn(),
    settle: fn() -> Result<()>,
    walls: Vec<Duration>,
    cpus: Vec<Duration>,
}

impl Candidate {
    /// Returns a candidate that has not run yet.
    pub fn new(group: &str, name: &str, build: &'static str, way: Way) -> Candidate {
        Candidate {
            group: group.into(),
            name: name.into(),
            build,
            way,
            clean_up: || (),
            settle: || Ok(()),
            walls: Vec::new(),
            cpus: Vec::new(),
        }
    }

    /// Sets what is to be called after each run, to have the host as it was. It is measured, too.
    pub fn clean_up(mut self, clean_up: fn()) -> Candidate {
        self.clean_up = clean_up;
        self
    }

    /// Sets what is to be called before each run, so that it does not pay for the one before. It is not measured.
    pub fn settle(mut self, settle: fn() -> Result<()>) -> Candidate {
        self.settle = settle;
        self
    }

    /// Runs it for the first time, and says why it cannot run where it cannot.
    fn warm_up(&mut self) -> Result<()> {
        if let Way::Program(command) = &mut self.way {
            let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let output = output.spawn()?.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim().lines().last().unwrap_or_default().to_owned();
            ensure!(output.status.success(), "{said} ({})", output.status);
            command.stderr(Stdio::null());
        } else {
            self.run()?;
        }
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        let start = Instant::now();
        let pid = match &mut self.way {
            // Not waited for by its handle: that would not tell what it has used.
            Way::Program(command) => Pid::from_raw(command.spawn()?.id() as i32),
            Way::Clone(start) => start()?,
            Way::Timed(run) => {
                self.walls.push(run()?);
                return Ok(());
            }
        };
        let (status, cpu) = wait(pid)?;
        (self.clean_up)();
        let wall = start.elapsed();
        ensure!(status == 0, "{} {} has failed: wait status {status:#x}", self.group, self.name);
        self.walls.push(wall);
        self.cpus.push(cpu);
        Ok(())
    }

    /// Returns the largest memory of one of its processes, in KiB.
    fn peak(&self, small: &Path) -> Result<Option<u64>> {
        let Way::Program(command) = &self.way else { return Ok(None) };
        let mut small = Command::new(small);
        small.arg(command.get_program()).args(command.get_args());
        let output = small.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(Some(said.trim().parse().with_context(|| format!("the peak memory of {}", self.name))?))
    }
}

/// Waits for the end of a child. Returns its status, and the time that it and its own children have kept a
/// processor busy.
fn wait(pid: Pid) -> Result<(i32, Duration)> {
    let mut status = 0;
    // SAFETY: all bytes zero are a valid rusage; it has numbers only.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: wait4(2) writes to the two variables, which live until it returns.
    Errno::result(unsafe { libc::wait4(pid.as_raw(), &mut status, 0, &mut usage) })
        .context("wait4")?;
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    Ok((status, time(usage.ru_utime) + time(usage.ru_stime)))
}

/// Runs all candidates, one after the other, `rounds` times, and adds a row for each to the report.
pub fn take_turns(
    part: &str,
    candidates: Vec<Candidate>,
    rounds: usize,
    report: &mut Report,
) -> Result<()> {
    let progress = progress(part, candidates.len() * rounds);
    let mut able = Vec::new();
    for mut candidate in candidates {
        match candidate.warm_up() {
            Ok(()) => able.push(candidate),
            Err(error) => report.leave_out(format!(
                "{part}, {} {} {}: {error:#}",
                candidate.group, candidate.name, candidate.build
            )),
        }
    }
    for candidate in &mut able {
        candidate.walls.clear();
        candidate.cpus.clear();
    }
    for _ in 0..rounds {
        for candidate in &mut able {
            (candidate.settle)()?;
            candidate.run()?;
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    for mut candidate in able {
        let peak = candidate.peak(report.small())?;
        candidate.walls.sort();
        candidate.cpus.sort();
        report.add(Row {
            part: part.into(),
            group: candidate.group,
            name: candidate.name,
            build: candidate.build,
            min: candidate.walls[0],
            median: candidate.walls[candidate.walls.len() / 2],
            cpu: candidate.cpus.get(candidate.cpus.len() / 2).copied(),
            peak,
        });
    }
    Ok(())
}

/// Returns a progress bar on standard error, without a thread of its own: clone(2) is called here.
pub fn progress(part: &str, steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:10} {wide_bar} {pos}/{len} {eta}");
    let style = style.expect("the template is a good one");
    ProgressBar::new(steps as u64).with_style(style).with_message(part.to_owned())
}

/// Runs a command of the set-up, and fails with its last words.
pub fn succeed(command: &mut Command) -> Result<()> {
    match command.status() {
        Ok(status) => ensure!(status.success(), "{command:?}: {status}"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("no {command:?}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
