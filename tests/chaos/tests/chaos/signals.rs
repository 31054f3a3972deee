//! Signals to the launcher, its process group, the container's first process, and its shell, at any moment.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use conformance::snapshot::Snapshot;
use conformance::{As, Output, Stage, eventually, fastest, gets, probe};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::{prepare, random, rounds};

/// Those that the launcher, or what it starts, can get.
const SIGNALS: [Signal; 10] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGSTOP,
    Signal::SIGKILL,
    Signal::SIGALRM,
    Signal::SIGUSR1,
    Signal::SIGXCPU,
    Signal::SIGPIPE,
];

/// Whom a signal is for.
#[derive(Clone, Copy, Debug)]
enum Target {
    Launcher,
    Group,
    /// The launcher's first child: from stage 02 on ns_init
    Init,
    /// The youngest descendant
    Shell,
}

const TARGETS: [Target; 4] = [Target::Launcher, Target::Group, Target::Init, Target::Shell];

/// Sends signals to stage `number` again and again, and asserts after each that the host is as it was.
pub fn leave_the_host_as_it_was(stage: &Stage, number: u8) {
    let program = prepare(number);
    let command = || stage.command_of(program);
    let whole_start = fastest(|| _ = Output::of(command().args(["-c", "true"])).ok());
    let (host, processes) = (Snapshot::take(), probe::processes());
    let mut random = random();
    for round in 0..rounds() {
        let signal = SIGNALS[random.usize(..SIGNALS.len())];
        let target = TARGETS[random.usize(..TARGETS.len())];
        let script = if random.bool() { "exec sleep 1000" } else { "sleep 0.02 & sleep 0.01" };
        let delay = whole_start.mul_f64(random.f64() * 2.0);
        let what = format!("round {round}: {signal} for {target:?} after {delay:?} of {script:?}");
        let killed = send(command().args(["-c", script]), signal, target, delay, &what);
        if killed {
            put_right(stage, number, &mut command());
        }
        eventually(&format!("no process is left: {what}"), || only(&processes));
        eventually(&format!("the host is as it was: {what}"), || host.changes().is_empty());
    }
}

/// Starts the stage, sends the signal, and ends what has not ended by it. Returns whether the launcher was killed.
fn send(
    command: &mut Command,
    signal: Signal,
    target: Target,
    delay: Duration,
    what: &str,
) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut launcher = quiet.process_group(0).spawn().expect("the stage starts");
    let pid = Pid::from_raw(launcher.id() as i32);
    thread::sleep(delay);
    let descendants = probe::descendants(pid);
    // Whom it is for may have ended, or not be there yet.
    let _ = match target {
        Target::Launcher => kill(pid, signal),
        Target::Group => killpg(pid, signal),
        Target::Init => kill(descendants.first().copied().unwrap_or(pid), signal),
        Target::Shell => kill(descendants.last().copied().unwrap_or(pid), signal),
    };
    if signal == Signal::SIGSTOP {
        thread::sleep(Duration::from_millis(1));
        // Some of them may have come since.
        for process in [pid].into_iter().chain(probe::descendants(pid)) {
            let _ = kill(process, Signal::SIGCONT);
        }
    }
    if !ends_soon(&mut launcher) {
        kill(pid, Signal::SIGTERM).expect("the launcher is there");
        let ends = || {
            // The launcher stops itself when it is told that its shell was stopped, however late that is, and nothing that is
            // stopped ends by SIGTERM alone. SIGCONT goes with it, as systemd and the shells' `kill %1` send it.
            if signal == Signal::SIGSTOP {
                let _ = kill(pid, Signal::SIGCONT);
            }
            has_ended(&mut launcher)
        };
        assert!(gets(ends), "SIGTERM does not end the launcher: {what}");
    }
    use std::os::unix::process::ExitStatusExt;
    let status = launcher.wait().expect("it has ended");
    assert_ne!(status.code(), Some(101), "a panic: {what}");
    status.signal() == Some(Signal::SIGKILL as i32)
}

fn has_ended(launcher: &mut Child) -> bool {
    launcher.try_wait().expect("it can be waited for").is_some()
}

/// Whether the launcher ends by the signal. Many are for the shell alone, or for nobody.
fn ends_soon(launcher: &mut Child) -> bool {
    for _ in 0..20 {
        if has_ended(launcher) {
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    false
}

/// Does what the book (Cleaning up) says about a launcher that was killed.
fn put_right(stage: &Stage, number: u8, command: &mut Command) {
    if number == 3 {
        // Its mounts are its host's.
        let _ = Command::new("umount").arg("/tmp/busybox/proc").stderr(Stdio::null()).status();
    }
    if number >= 8 || number >= 6 && stage.who != As::User {
        // The kernel takes its time to remove what was on the bridge. The next start takes that for its own.
        eventually("no cable is left", || !probe::devices(nix::unistd::getpid()).contains("veth"));
        Output::of(command.args(["-c", "true"])).ok();
    }
}

fn only(before: &[Pid]) -> bool {
    probe::processes().iter().all(|pid| before.contains(pid))
}
