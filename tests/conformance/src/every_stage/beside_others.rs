//! The container's terminal beside other programs: in a pipeline, with other shells, in other terminals, and without.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::session::{install, see_in_foreground, see_stopped};
use crate::terminal::Terminal;
use crate::{As, Stage, Test, Traits, eventually, need, probe, tests};

/// Returns the tests for a stage of these traits.
pub fn tests(traits: &Traits) -> Vec<Test> {
    let mut tests = tests![traits.users() => [
        the_keys_are_left_to_the_other_end_of_a_pipeline,
        a_container_at_the_left_of_a_pipeline_reads_lines,
        a_container_at_the_right_of_a_pipeline_reads_the_pipe,
        standard_error_in_a_file_changes_no_status,
        all_that_was_written_is_seen,
        held_output_does_not_make_it_deaf,
        the_callers_open_files_stay_as_they_are,
        dash_is_a_shell_like_outside,
        bash_is_a_shell_like_outside,
        busybox_is_a_shell_like_outside,
        zsh_is_a_shell_like_outside,
        fish_is_a_shell_like_outside,
        script_shows_what_a_terminal_shows,
        tmux_shows_what_a_terminal_shows,
    ]];
    tests.extend(tests![&[As::Root] => [
        without_dev_tty_there_is_a_terminal,
        without_devpts_a_line_says_so,
        sudo_with_a_terminal_of_its_own_shows_what_a_terminal_shows,
    ]]);
    if !traits.has("pid") {
        tests.extend(tests![traits.users() => [a_job_left_behind_keeps_nobody_waiting]]);
    }
    if traits.has("mnt") {
        tests.extend(tests![traits.users() => [the_terminal_has_a_name]]);
    }
    tests
}

fn the_keys_are_left_to_the_other_end_of_a_pipeline(stage: &Stage) {
    let script = "stty -a >/tmp/before; $0 -c 'echo done; exec sleep 1000' | { read x; \
        stty -a </dev/tty | cmp - /tmp/before; echo ask; read y </dev/tty; echo $x, got $y; }";
    let mut terminal = Terminal::run(stage, script);
    assert!(!terminal.until("ask").contains("differ"), "a pipeline keeps its modes");
    terminal.ask("word", "done, got word");
    kill(terminal.caller(), Signal::SIGKILL).unwrap();
}

fn a_container_at_the_left_of_a_pipeline_reads_lines(stage: &Stage) {
    let script = "stty echo; \
        $0 -c 'echo ready; read x; echo got $x; read y || echo no more' | cat; echo left";
    let mut terminal = Terminal::run(stage, script);
    terminal.see("ready");
    terminal.keys("word\r");
    assert_eq!(terminal.until("got word").matches("word").count(), 1, "it is echoed once");
    terminal.control('d');
    terminal.see("no more");
    terminal.see("left");
}

fn a_container_at_the_right_of_a_pipeline_reads_the_pipe(stage: &Stage) {
    let script = "yes 2>/dev/null | $0 -c 'head -n 2; exit 4'; echo status $?; read x; echo got $x";
    let mut terminal = Terminal::run(stage, script);
    assert_eq!(terminal.until("status 4").lines().collect::<Vec<_>>(), ["y", "y"]);
    terminal.ask("word", "got word");
}

fn standard_error_in_a_file_changes_no_status(stage: &Stage) {
    let mut terminal = Terminal::run(stage, "$0 2>/tmp/log; echo status $?");
    terminal.ask("echo in''side", "inside");
    terminal.ask("exit 7", "status 7");
    let said = fs::read_to_string("/tmp/log").unwrap();
    assert!(!said.contains("tty"), "{said}");
}

fn all_that_was_written_is_seen(stage: &Stage) {
    let script = "$0 -c 'i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line $i; done'; echo left";
    let mut terminal = Terminal::run(stage, script);
    let seen = terminal.until("left");
    let lines = seen.lines().enumerate().filter(|(i, line)| *line == format!("line {}", i + 1));
    assert_eq!(lines.count(), 5000);
}

fn held_output_does_not_make_it_deaf(stage: &Stage) {
    // With standard error elsewhere the terminal has its own modes, and Ctrl-S holds it.
    let script = "$0 -c 'echo ready; while :; do echo y; done' 2>/tmp/log; echo status $?";
    let mut terminal = Terminal::run(stage, script);
    terminal.see("ready");
    let launcher = terminal.launcher();
    terminal.control('s');
    kill(launcher, Signal::SIGTERM).unwrap();
    eventually("the launcher ends", || probe::read(launcher, "cmdline").is_empty());
    terminal.control('q');
    terminal.see("status 137");
}

fn the_callers_open_files_stay_as_they_are(stage: &Stage) {
    let mut terminal = Terminal::run(stage, "$0 -c 'echo ready; exec sleep 1000'");
    terminal.see("ready");
    for pid in [terminal.caller(), terminal.launcher()] {
        for descriptor in 0..3 {
            let info = probe::read(pid, &format!("fdinfo/{descriptor}"));
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
            let flags = i32::from_str_radix(flags, 8).unwrap();
            assert_eq!(flags & libc::O_NONBLOCK, 0, "descriptor {descriptor} of {pid}");
        }
    }
}

/// Asserts that a shell has a prompt, job control, Ctrl-C, and its exit status.
#[track_caller]
fn is_a_shell(stage: &Stage, path: &Path, arguments: &str, prompt: &str) {
    let script = format!("$0 --nsshell {} {arguments}; echo status $?", path.display());
    let mut terminal = Terminal::run(stage, &script);
    terminal.ask("echo rea''dy", "ready");
    terminal.ask("sh -c 'echo run\"\"ning; exec sleep 1000'", "running");
    let job = *probe::descendants(terminal.launcher()).last().expect("the job runs");
    terminal.control('z');
    see_stopped(job);
    terminal.ask("echo a''gain", "again");
    terminal.see(prompt);
    terminal.enter("fg");
    see_in_foreground(job);
    terminal.control('c');
    terminal.see(prompt);
    terminal.ask("echo stat''us of sleep", "status of sleep");
    terminal.see(prompt);
    terminal.ask("exit 7", "status 7");
}

fn dash_is_a_shell_like_outside(stage: &Stage) {
    is_a_shell(stage, &install(stage, "dash"), "", "# ");
}

fn bash_is_a_shell_like_outside(stage: &Stage) {
    is_a_shell(stage, &install(stage, "bash"), "-- --norc", "# ");
}

fn busybox_is_a_shell_like_outside(stage: &Stage) {
    // By the name that tells it which of its tools it is to be.
    let busybox = install(stage, "busybox");
    let sh = Path::new("/tmp/sh");
    if !stage.traits.root_directory {
        symlink(busybox, sh).unwrap();
        is_a_shell(stage, sh, "", "# ");
    } else {
        is_a_shell(stage, &busybox, "sh", "# ");
    }
}

fn zsh_is_a_shell_like_outside(stage: &Stage) {
    is_a_shell(stage, &install(stage, "zsh"), "-- -f", "# ");
}

fn fish_is_a_shell_like_outside(stage: &Stage) {
    is_a_shell(stage, &install(stage, "fish"), "-- --no-config", "> ");
}

/// Asserts that the stage can be talked with below another program that makes terminals.
#[track_caller]
fn can_be_talked_with(mut terminal: Terminal) {
    terminal.see("ready");
    terminal.keys("word\r");
    terminal.see("got word");
    terminal.see("status 4");
}

/// What it talks with: `$0` reads a line.
const TALK: &str = r#"$0 -c 'echo rea""dy; read x; echo got $x; exit 4'"#;

fn script_shows_what_a_terminal_shows(stage: &Stage) {
    need("script");
    stage.sh("true").ok();
    let script =
        format!("export TALK=\"{}\"; script -qec \"$TALK\" /dev/null; echo status $?", escaped());
    can_be_talked_with(Terminal::run(stage, &script));
}

fn tmux_shows_what_a_terminal_shows(stage: &Stage) {
    need("tmux");
    stage.sh("true").ok();
    let script = format!(
        "export LC_ALL=C.UTF-8; export TALK=\"{}\"; unset TMUX; \
        tmux -S /tmp/tmux -f /dev/null new-session \"$TALK; echo status \\$?; read x\"",
        escaped()
    );
    can_be_talked_with(Terminal::run(stage, &script));
}

/// The same with the program's path in it, for a string in double quotes.
fn escaped() -> String {
    TALK.replace('"', "\\\"").replace("$x", "\\$x")
}

fn sudo_with_a_terminal_of_its_own_shows_what_a_terminal_shows(stage: &Stage) {
    need("sudo");
    stage.sh("true").ok();
    // This is the mount namespace of a throw-away host.
    fs::write("/tmp/sudoers", "Defaults use_pty\nroot ALL=(ALL:ALL) ALL\n").unwrap();
    fs::set_permissions("/tmp/sudoers", fs::Permissions::from_mode(0o440)).unwrap();
    bind("/tmp/sudoers", "/etc/sudoers");
    // The machine's own can't be written to, and sudo makes the terminal its user's.
    let options = Some("newinstance,ptmxmode=666");
    mount(Some("devpts"), "/dev/pts", Some("devpts"), MsFlags::empty(), options).unwrap();
    bind("/dev/pts/ptmx", "/dev/ptmx");
    can_be_talked_with(Terminal::run(stage, &format!("sudo -n {TALK}; echo status $?")));
}

fn bind(source: &str, target: &str) {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

fn without_dev_tty_there_is_a_terminal(stage: &Stage) {
    stage.sh("true").ok();
    bind("/dev/null", "/dev/tty");
    can_be_talked_with(Terminal::run(stage, &format!("{TALK}; echo status $?")));
}

fn without_devpts_a_line_says_so(stage: &Stage) {
    stage.sh("true").ok();
    let script =
        "mount -t tmpfs none /dev/pts; $0 -c 'echo inside; exit 4' 2>/tmp/log; echo status $?";
    let mut terminal = Terminal::run(stage, script);
    terminal.see("inside");
    terminal.see("status 4");
    let said = fs::read_to_string("/tmp/log").unwrap();
    assert!(said.lines().count() == 1 && said.contains("no terminal of its own"), "{said}");
}

fn a_job_left_behind_keeps_nobody_waiting(stage: &Stage) {
    let script = "$0 -c 'trap \"\" HUP; sleep 1000 & echo left $!; exit 3'; echo status $?";
    let mut terminal = Terminal::run(stage, script);
    terminal.see("left ");
    let job = terminal.until("\r\n").parse().expect("a process id");
    terminal.see("status 3");
    // There is no PID namespace that would have ended it.
    kill(Pid::from_raw(job), Signal::SIGKILL).expect("it is still there");
}

fn the_terminal_has_a_name(stage: &Stage) {
    let mut terminal = Terminal::run(stage, "$0 -c tty; echo left");
    assert_eq!(terminal.until("left"), "/dev/console\r\n");
}
