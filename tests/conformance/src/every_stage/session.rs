//! A session and a terminal of the container's own, and who can stop and end what in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use common::rootfs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::snapshot::Snapshot;
use crate::terminal::Terminal;
use crate::{Output, Stage, Test, Traits, eventually, need, probe, tests, typist};

/// Returns the tests for a stage of these traits.
pub fn tests(traits: &Traits) -> Vec<Test> {
    tests![traits.users() => [
        the_container_has_a_session_of_its_own,
        kill_0_inside_reaches_nobody_outside,
        what_is_typed_inside_does_not_come_out,
        what_is_typed_is_seen_once,
        control_d_ends_the_shell,
        control_z_at_a_script_stops_it_and_fg_goes_on,
        a_container_in_the_background_stops_when_it_reads,
        a_container_in_the_background_may_write,
        a_shell_that_stops_itself_gives_the_terminal_back,
        bash_suspends_itself_and_goes_on,
        the_size_of_the_window_is_the_one_of_the_container,
        a_hang_up_ends_the_container,
        a_killed_launcher_gives_the_terminal_back,
    ]]
}

/// Fields of /proc/PID/stat after the name: proc_pid_stat(5).
const GROUP: usize = 2;
const SESSION: usize = 3;
const FOREGROUND: usize = 5;

#[track_caller]
fn stat(pid: Pid, field: usize) -> i32 {
    probe::stat(pid).get(field).and_then(|id| id.parse().ok()).expect("it runs")
}

/// Waits until a job, which was stopped, runs in the foreground of its terminal.
#[track_caller]
pub(super) fn see_in_foreground(pid: Pid) {
    let is_there = || {
        stat(pid, FOREGROUND) == stat(pid, GROUP) && !probe::status(pid, "State").starts_with('T')
    };
    eventually("it is in the foreground", is_there);
}

/// Waits until a process is stopped.
#[track_caller]
pub(super) fn see_stopped(pid: Pid) {
    eventually("it is stopped", || probe::status(pid, "State").starts_with('T'));
}

fn the_container_has_a_session_of_its_own(stage: &Stage) {
    let container = stage.start("echo ready; exec sleep 1000");
    let (leader, shell) = (container.descendants()[0], container.youngest());
    assert_eq!([leader, shell].map(|pid| stat(pid, SESSION)), [leader.as_raw(); 2]);
    assert_ne!(stat(container.launcher(), SESSION), leader.as_raw());
    assert_eq!(stat(shell, GROUP), shell.as_raw(), "it can be stopped, in a group of its own");
}

fn kill_0_inside_reaches_nobody_outside(stage: &Stage) {
    let host = Snapshot::take();
    let script = r#"sleep 1000 & "$0" -c 'kill -KILL 0'; echo status $?; kill $! && echo alive"#;
    let output = Output::of(Command::new("sh").args(["-c", script]).arg(&stage.program));
    assert_eq!(output.stdout, "status 137\nalive\n", "{output:#?}");
    host.assert_unchanged();
}

fn what_is_typed_inside_does_not_come_out(stage: &Stage) {
    typist::install(stage);
    // With one descriptor on the terminal as well: a session alone is no help there.
    for files in ["", "</dev/null 2>/dev/null", "</dev/null >/dev/null"] {
        let script =
            format!("$0 --nsshell {} {files}; echo left; read x; echo got $x", typist::PROGRAM);
        let mut terminal = Terminal::run(stage, &script);
        terminal.see("left");
        terminal.ask("mine", "got mine");
    }
}

fn what_is_typed_is_seen_once(stage: &Stage) {
    let script = "stty echo; $0 -c 'echo ready; read x; echo got $x'; echo left";
    let mut terminal = Terminal::run(stage, script);
    terminal.see("ready\r\n");
    terminal.keys("word\r");
    assert_eq!(terminal.until("got word\r\n"), "word\r\n");
    assert_eq!(terminal.until("left"), "");
}

fn control_d_ends_the_shell(stage: &Stage) {
    let mut terminal = Terminal::run(stage, "$0; echo status $?");
    terminal.see("# ");
    terminal.ask("(exit 7); echo do''ne", "done");
    terminal.ask("(exit 7)", "# ");
    terminal.control('d');
    terminal.see("status 7");
}

fn control_z_at_a_script_stops_it_and_fg_goes_on(stage: &Stage) {
    stage.sh("true").ok();
    let mut terminal = Terminal::in_bash(stage);
    terminal.enter("stty -a >/tmp/before; $STAGE -c 'echo rea\"\"dy; read x; echo got $x; exit 5'");
    terminal.see("ready");
    terminal.control('z');
    terminal.see("Stopped");
    terminal.ask("stty -a | cmp - /tmp/before && echo sa''me modes", "same modes");
    terminal.ask("fg", "exit 5");
    terminal.keys("word\r");
    terminal.see("got word");
    terminal.wait_for_end();
    terminal.ask("echo status $?", "status 5");
}

fn a_container_in_the_background_stops_when_it_reads(stage: &Stage) {
    stage.sh("true").ok();
    let mut terminal = Terminal::in_bash(stage);
    terminal.enter("$STAGE --nsshell /bin/cat");
    terminal.ask("once", "once");
    terminal.control('z');
    terminal.see("Stopped");
    let launcher = terminal.launcher();
    see_stopped(launcher);
    // It goes on, reads, and is stopped again.
    terminal.ask("bg", "cat &");
    terminal.ask("wait; jobs; hostname", "Stopped");
    see_stopped(launcher);
    terminal.ask("fg", "/bin/cat");
    terminal.keys("again\r");
    terminal.see("again");
    terminal.control('d');
    terminal.wait_for_end();
    terminal.ask("echo status $?", "status 0");
}

fn a_container_in_the_background_may_write(stage: &Stage) {
    stage.sh("true").ok();
    let mut terminal = Terminal::in_bash(stage);
    terminal.ask("$STAGE -c 'echo writ\"\"ten; exit 4' &", "written");
    terminal.ask("wait $!; echo status $?", "status 4");
}

fn a_shell_that_stops_itself_gives_the_terminal_back(stage: &Stage) {
    stage.sh("true").ok();
    let mut terminal = Terminal::in_bash(stage);
    terminal.enter("PS1='inside# ' $STAGE");
    terminal.ask("echo in''side", "inside");
    terminal.ask("kill -STOP $$", "Stopped");
    terminal.ask("echo out''side", "outside");
    terminal.enter("fg");
    terminal.keys("echo back in''side\r");
    terminal.see("back inside");
    terminal.leave("exit 9");
    terminal.ask("echo status $?", "status 9");
}

fn bash_suspends_itself_and_goes_on(stage: &Stage) {
    let shell = install(stage, "bash");
    let mut terminal = Terminal::in_bash(stage);
    terminal.enter(&format!("$STAGE --nsshell {} -- --norc --noediting", shell.display()));
    terminal.ask("echo in''side", "inside");
    terminal.ask("suspend", "Stopped");
    terminal.ask("echo out''side", "outside");
    terminal.enter("fg");
    terminal.keys("echo back in''side\r");
    terminal.see("back inside");
    terminal.leave("exit 9");
    terminal.ask("echo status $?", "status 9");
}

fn the_size_of_the_window_is_the_one_of_the_container(stage: &Stage) {
    stage.sh("true").ok();
    let script = "stty rows 30 cols 90; $0 -c 'stty size; while ! stty size | grep 33; do :; done'";
    let mut terminal = Terminal::run(stage, script);
    terminal.see("30 90");
    terminal.resize(33, 77);
    terminal.see("33 77");
}

fn a_hang_up_ends_the_container(stage: &Stage) {
    let host = Snapshot::take();
    let mut terminal = Terminal::run(stage, "$0 -c 'echo ready; exec sleep 1000'; true");
    terminal.see("ready");
    let launcher = terminal.launcher();
    let container = probe::descendants(launcher);
    // When the leader of a session ends, its terminal is hung up.
    kill(terminal.caller(), Signal::SIGKILL).unwrap();
    eventually("the launcher ends", || probe::read(launcher, "cmdline").is_empty());
    for pid in container {
        eventually("the container ends", || probe::read(pid, "cmdline").is_empty());
    }
    eventually("the host is as before", || host.changes().is_empty());
}

fn a_killed_launcher_gives_the_terminal_back(stage: &Stage) {
    stage.sh("true").ok();
    let script = "stty -a >/tmp/before; $0 -c 'echo ready; exec sleep 1000'; echo status $?; \
        until stty -a | cmp -s - /tmp/before; do :; done; echo restored";
    let mut terminal = Terminal::run(stage, script);
    terminal.see("ready");
    let launcher = terminal.launcher();
    let container = probe::descendants(launcher);
    kill(launcher, Signal::SIGKILL).unwrap();
    terminal.see("status 137");
    terminal.see("restored");
    for pid in container {
        eventually("the container ends", || probe::read(pid, "cmdline").is_empty());
    }
}

/// Makes a program of the host one of the container's, and returns its path there.
#[track_caller]
pub(super) fn install(stage: &Stage, program: &str) -> PathBuf {
    let path = need(program);
    stage.sh("true").ok();
    if !stage.traits.root_directory {
        return path;
    }
    rootfs::install(&path, Path::new(rootfs::DEFAULT), program).unwrap();
    Path::new("/bin").join(program)
}
