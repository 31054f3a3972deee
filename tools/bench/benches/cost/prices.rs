//! What the kernel charges for each of the things that a container is made of.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::Floor;
use nix::sched::CloneFlags;

use crate::measure::{Candidate, Way, take_turns};
use crate::programs::{ONCE_OR_TWICE, Programs};
use crate::report::Report;
use crate::{starts, wiring};

/// Measures them.
pub fn measure(
    programs: &Programs,
    rootfs: &Path,
    rounds: usize,
    report: &mut Report,
) -> Result<()> {
    let mut candidates = Vec::new();
    candidates.extend(namespaces(&programs.default("nothing")?));
    candidates.extend(set_ups(rootfs));
    candidates.extend(executions(programs)?);
    candidates.extend(restarts(programs, rootfs));
    candidates.extend(cables());
    candidates.extend(cgroup_moves());
    take_turns("prices", candidates, rounds, report)
}

/// A new namespace of each kind: made, entered by a program that does nothing, and removed.
fn namespaces(nothing: &Path) -> Vec<Candidate> {
    let kinds = [
        ("none", CloneFlags::empty()),
        ("UTS", CloneFlags::CLONE_NEWUTS),
        ("IPC", CloneFlags::CLONE_NEWIPC),
        ("PID", CloneFlags::CLONE_NEWPID),
        ("mount", CloneFlags::CLONE_NEWNS),
        ("user", CloneFlags::CLONE_NEWUSER),
        ("cgroup", CloneFlags::CLONE_NEWCGROUP),
        ("network", CloneFlags::CLONE_NEWNET),
        ("the four of 05", starts::namespaces(5)),
        ("the six of 07", starts::namespaces(7)),
    ];
    let candidate = |(name, flags)| clone("namespaces", name, Floor::new(flags, nothing));
    kinds.into_iter().map(candidate).collect()
}

fn clone(group: &str, name: &str, floor: Floor) -> Candidate {
    Candidate::new(group, name, "", Way::Clone(Box::new(move || Ok(floor.start()?))))
}

/// The namespaces of stage 05 with ever more in them.
fn set_ups(rootfs: &Path) -> Vec<Candidate> {
    let floor = || Floor::new(starts::namespaces(5), "/bin/true");
    let on_host = Floor::new(starts::namespaces(5), rootfs.join("bin/true"));
    vec![
        clone("set-up of 05", "namespaces alone", on_host),
        clone("set-up of 05", "with chroot and /proc", floor().root(rootfs)),
        clone(
            "set-up of 05",
            "with pivot_root, /proc, /temp and /dev",
            floor().root_as_in_05(rootfs),
        ),
    ]
}

/// Programs that do nothing, with ever more to do it.
fn executions(programs: &Programs) -> Result<Vec<Candidate>> {
    let program = |name: &str, build, path: &Path| {
        Candidate::new("execve", name, build, Way::Program(Command::new(path)))
    };
    let mut candidates = vec![program("no library", "", &programs.default("nothing")?)];
    for (build, path) in programs.all("empty") {
        candidates.push(program("fn main() {}", build, &path));
    }
    let cpuid = Way::Timed(Box::new(|| Ok(cpuid())));
    if cfg!(target_arch = "x86_64") {
        candidates.push(Candidate::new("execve", "one CPUID instruction", "", cpuid));
    }
    Ok(candidates)
}

/// Returns what one CPUID instruction takes. In a virtual machine each is a call of the hypervisor.
fn cpuid() -> Duration {
    const TIMES: u32 = 20;
    let start = Instant::now();
    for _ in 0..TIMES {
        // SAFETY: all processors of this architecture have it. (Newer compilers do not ask for this block.)
        #[cfg(target_arch = "x86_64")]
        #[allow(unused_unsafe)]
        black_box(unsafe { std::arch::x86_64::__cpuid(black_box(0)) });
    }
    start.elapsed() / TIMES
}

/// The set-up of stage 05 in the cloned child, and in a program that is started again.
fn restarts(programs: &Programs, rootfs: &Path) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (build, program) in programs.all(ONCE_OR_TWICE) {
        for (how, name) in [("once", "in the cloned child"), ("twice", "after re-execution")] {
            let mut command = Command::new(&program);
            command.arg(how).arg(rootfs).arg("/bin/true");
            candidates.push(Candidate::new("re-execution", name, build, Way::Program(command)));
        }
    }
    candidates
}

/// The two ways to get one end of a veth pair into another network namespace.
fn cables() -> Vec<Candidate> {
    let way = |moved| Way::Timed(Box::new(move || wiring::time_veth(moved)));
    vec![
        Candidate::new("veth pair", "end made in its namespace", "", way(false)),
        Candidate::new("veth pair", "end moved there", "", way(true)),
    ]
}

/// The move of a process into a cgroup. The kernel holds back the forks of all processes for the first one, and does
/// not let go of them at once.
fn cgroup_moves() -> Vec<Candidate> {
    let way = |again| Way::Timed(Box::new(move || time_cgroup_move(again)));
    [("after a pause", false), ("right after another", true)]
        .map(|(name, again)| Candidate::new("move into a cgroup", name, "", way(again)))
        .into()
}

fn time_cgroup_move(again: bool) -> Result<Duration> {
    let cgroup = starts::own_cgroup()?.join("bench-moved");
    fs::create_dir(&cgroup).context("make a cgroup")?;
    thread::sleep(Duration::from_millis(50));
    let moved = if again { time_move(&cgroup).map(drop) } else { Ok(()) };
    let time = moved.and_then(|()| time_move(&cgroup));
    fs::remove_dir(&cgroup).context("remove a cgroup")?;
    time
}

fn time_move(cgroup: &Path) -> Result<Duration> {
    let child = wiring::container("empty", CloneFlags::empty())?;
    let start = Instant::now();
    let moved = fs::write(cgroup.join("cgroup.procs"), child.pid().to_string());
    let time = start.elapsed();
    child.start()?.wait()?;
    moved.context("write cgroup.procs")?;
    Ok(time)
}
