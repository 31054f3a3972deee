//! How a container ends, and what its end leaves.

use std::process::Command;
use std::thread;

use nix::libc;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpid};

use super::{WAIT, assert_no_process_but};
use crate::snapshot::Snapshot;
use crate::stage::install_this;
use crate::{
    As, Container, Output, Stage, Test, Traits, eventually, fastest, gets, need, probe, restart,
    tests, tracer,
};

/// Returns the tests for a stage of these traits.
pub fn tests(traits: &Traits) -> Vec<Test> {
    let mut tests = tests![traits.users() => [
        the_exit_status_is_the_one_of_the_shell,
        any_signal_that_ends_the_shell_is_in_the_exit_status,
        the_host_is_as_before_after_an_exit,
        the_host_is_as_before_after_sigterm,
        the_host_is_as_before_after_sighup,
        the_host_is_as_before_after_sigterm_at_any_moment,
        control_c_at_any_moment_ends_the_start,
        sigint_to_the_launcher_is_for_the_job,
        a_signal_that_would_end_the_launcher_ends_the_container,
        a_launcher_under_nohup_outlives_sighup,
        a_caller_that_ignores_sigchld_gets_the_exit_status,
        a_shell_dies_with_a_launcher_that_is_killed,
    ]];
    if traits.has("pid") {
        tests.extend(tests![traits.users() => [
            a_killed_launcher_takes_all_along,
            a_job_left_behind_dies_with_the_shell,
            process_1_can_be_asked_to_end_from_inside,
            a_restart_from_inside_ends_the_container_alone,
            a_container_whose_process_1_is_traced_from_inside_ends_by_sigterm,
        ]]);
    }
    if traits.has("mnt") {
        tests.extend(tests![traits.users() => [the_host_is_as_before_after_sigkill_at_any_moment]]);
    }
    tests
}

fn the_exit_status_is_the_one_of_the_shell(stage: &Stage) {
    assert_eq!(stage.sh("exit 0").code, 0);
    assert_eq!(stage.sh("exit 7").code, 7);
    assert_eq!(stage.sh("exit 255").code, 255);
    assert_eq!(stage.sh("kill -9 $$").code, 137);
    assert_eq!(stage.sh("kill -15 $$").code, 143);
}

fn any_signal_that_ends_the_shell_is_in_the_exit_status(stage: &Stage) {
    for signal in [1, 2, 9, 15, 34, 40, 64] {
        let output = stage.sh(&format!("kill -{signal} $$; sleep 1"));
        assert_eq!((output.code, output.stderr.as_str()), (128 + signal, ""), "signal {signal}");
    }
}

fn the_host_is_as_before_after_an_exit(stage: &Stage) {
    let (host, processes) = (Snapshot::take(), probe::processes());
    stage.sh("true").ok();
    host.assert_unchanged();
    assert_eq!(stage.sh("kill -9 $$").code, 137);
    host.assert_unchanged();
    assert_no_process_but(&processes);
}

fn the_host_is_as_before_after_sigterm(stage: &Stage) {
    assert_unchanged_after(stage, Signal::SIGTERM);
}

fn the_host_is_as_before_after_sighup(stage: &Stage) {
    assert_unchanged_after(stage, Signal::SIGHUP);
}

#[track_caller]
fn assert_unchanged_after(stage: &Stage, signal: Signal) {
    let (host, processes) = (Snapshot::take(), probe::processes());
    // An interactive shell would ignore SIGTERM, and this one does.
    let container = stage.start("trap '' TERM HUP; echo ready; exec sleep 1000");
    container.signal(signal);
    assert_eq!(container.wait(), 137, "the shell is killed, and the launcher says so");
    host.assert_unchanged();
    assert_no_process_but(&processes);
}

/// Starts the stage again and again, with a script that does not end, and sends it a signal at moments from
/// before its first instruction to when the script runs. Returns the exit statuses.
fn statuses_at_any_moment(stage: &Stage, end: impl Fn(Pid)) -> Vec<i32> {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    let whole_start = fastest(|| _ = stage.sh("true").ok());
    let (host, processes) = (Snapshot::take(), probe::processes());
    let mut statuses = Vec::new();
    for step in 0..60 {
        let mut command = stage.command();
        let mut launcher =
            command.args(["-c", "exec sleep 1000"]).process_group(0).spawn().unwrap();
        thread::sleep(whole_start * step / 30);
        end(Pid::from_raw(launcher.id() as i32));
        let mut status = None;
        assert!(gets(|| {
            status = launcher.try_wait().unwrap();
            status.is_some()
        }));
        statuses.push(crate::stage::shell_code(status.unwrap()));
        assert_no_process_but(&processes);
        // What a killed launcher leaves, a bridge of root's or a cgroup, is for the next start to remove.
        let killed = status.unwrap().signal() == Some(Signal::SIGKILL as i32);
        let leaves = stage.traits.has("cgroup") || stage.traits.has("net") && stage.who != As::User;
        if !killed || !leaves {
            eventually("the host is as before", || host.changes().is_empty());
        }
    }
    statuses
}

fn the_host_is_as_before_after_sigterm_at_any_moment(stage: &Stage) {
    let statuses = statuses_at_any_moment(stage, |pid| kill(pid, Signal::SIGTERM).unwrap());
    assert!(statuses.iter().all(|status| [137, 143].contains(status)), "{statuses:?}");
    // Which moments these were is luck.
    let ran = statuses.iter().filter(|status| **status == 137).count();
    println!("{ran} of {} have hit a container that ran", statuses.len());
}

fn control_c_at_any_moment_ends_the_start(stage: &Stage) {
    // As the terminal sends it: to the whole process group.
    let statuses = statuses_at_any_moment(stage, |pid| killpg(pid, Signal::SIGINT).unwrap());
    assert!(statuses.iter().all(|status| [130, 137].contains(status)), "{statuses:?}");
}

fn the_host_is_as_before_after_sigkill_at_any_moment(stage: &Stage) {
    let host = Snapshot::take();
    let statuses = statuses_at_any_moment(stage, |pid| kill(pid, Signal::SIGKILL).unwrap());
    assert!(statuses.iter().all(|status| *status == 137));
    if stage.traits.has("net") {
        // A killed launcher can leave a bridge, which the next start takes for its own. It stays as long as
        // there is a cable on it, and the kernel takes its time to remove those of the killed.
        let devices = || probe::read(getpid(), "net/dev");
        eventually("no cable is left", || !devices().contains("veth"));
        stage.sh("true").ok();
    }
    eventually("the host is as before", || host.changes().is_empty());
}

fn sigint_to_the_launcher_is_for_the_job(stage: &Stage) {
    let host = Snapshot::take();
    // The launcher outlives it, and has the status of a shell that minds, or does not.
    let mut container =
        stage.start("trap 'echo minded; exit 3' INT; echo ready; while :; do :; done");
    container.signal(Signal::SIGINT);
    assert_eq!(container.line(), "minded");
    assert_eq!(container.wait(), 3);
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGQUIT, 131)] {
        let container = stage.start("ulimit -c 0; echo ready; exec sleep 1000");
        eventually("it is sleep", || probe::read(container.youngest(), "comm") == "sleep\n");
        container.signal(signal);
        assert_eq!(container.wait(), status, "{signal}");
    }
    host.assert_unchanged();
}

fn a_signal_that_would_end_the_launcher_ends_the_container(stage: &Stage) {
    let (host, processes) = (Snapshot::take(), probe::processes());
    // All whose default is that, but SIGINT and SIGQUIT, which are for the job: signal(7).
    for signal in [1, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31, 34, 64] {
        let container = stage.start(WAIT);
        // SAFETY: kill(2) takes no pointers. (The crate nix knows only 31 signals.)
        unsafe { libc::kill(container.launcher().as_raw(), signal) };
        assert_eq!(container.wait(), 137, "signal {signal}");
        host.assert_unchanged();
    }
    assert_no_process_but(&processes);
}

fn a_launcher_under_nohup_outlives_sighup(stage: &Stage) {
    let mut container = Container::start(
        Command::new("sh")
            .args(["-c", r#"trap '' HUP; exec "$0" -c 'echo ready; sleep 0.2; echo still here'"#])
            .arg(&stage.program),
    );
    container.signal(Signal::SIGHUP);
    assert_eq!(container.line(), "still here");
    assert_eq!(container.wait(), 0);
}

fn a_caller_that_ignores_sigchld_gets_the_exit_status(stage: &Stage) {
    need("bash");
    // Without the making of a root directory, which waits for children of its own.
    stage.sh("true").ok();
    let caller = r#"trap '' CHLD; exec "$0" -c 'exit 5'"#;
    let output = Output::of(Command::new("bash").args(["-c", caller]).arg(&stage.program));
    assert_eq!(output.code, 5, "{output:#?}");
}

fn a_shell_dies_with_a_launcher_that_is_killed(stage: &Stage) {
    let processes = probe::processes();
    let container = stage.start(WAIT);
    container.signal(Signal::SIGKILL);
    assert_eq!(container.wait(), 137);
    assert_no_process_but(&processes);
}

fn a_killed_launcher_takes_all_along(stage: &Stage) {
    let processes = probe::processes();
    let container = stage.start("sleep 1000 & sleep 1000 & echo ready; wait");
    assert!(container.descendants().len() >= 4, "ns_init, shell and two jobs");
    container.signal(Signal::SIGKILL);
    assert_eq!(container.wait(), 137);
    assert_no_process_but(&processes);
    if stage.traits.shares_mounts() {
        // All that a killed launcher can leave: this proc is among the host's mounts.
        let mounts = probe::mounts(getpid()).join("\n");
        assert!(mounts.contains("proc /tmp/busybox/proc proc"), "{mounts}");
        stage.sh("true").ok();
    }
}

fn a_job_left_behind_dies_with_the_shell(stage: &Stage) {
    let (host, processes) = (Snapshot::take(), probe::processes());
    // At work in /proc, so that it is busy: umount(2), EBUSY.
    assert_eq!(stage.sh("cd /proc; sleep 1000 >&- 2>&- & exit 4").code, 4);
    host.assert_unchanged();
    assert_no_process_but(&processes);
}

fn process_1_can_be_asked_to_end_from_inside(stage: &Stage) {
    let host = Snapshot::take();
    assert_eq!(stage.sh("kill -TERM 1; exec sleep 1000").code, 137);
    host.assert_unchanged();
}

fn a_restart_from_inside_ends_the_container_alone(stage: &Stage) {
    install_this(stage, restart::PROGRAM);
    let host = Snapshot::take();
    let output = stage.sh(&format!("{}; exec sleep 1000", restart::PROGRAM));
    // reboot(2): its parent sees it ended by SIGHUP.
    assert_eq!((output.code, output.stderr.as_str()), (128 + libc::SIGHUP, ""), "{output:#?}");
    host.assert_unchanged();
}

fn a_container_whose_process_1_is_traced_from_inside_ends_by_sigterm(stage: &Stage) {
    install_this(stage, tracer::PROGRAM);
    let (host, processes) = (Snapshot::take(), probe::processes());
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let container = stage.start(tracer::PROGRAM);
        container.signal(signal);
        assert_eq!(container.wait(), 137, "{signal}");
        host.assert_unchanged();
        assert_no_process_but(&processes);
    }
}
