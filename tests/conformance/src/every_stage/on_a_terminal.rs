//! A stage on a terminal.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::snapshot::Snapshot;
use crate::terminal::Terminal;
use crate::{Stage, Test, Traits, probe, tests};

/// Returns the tests for a stage of these traits.
pub fn tests(traits: &Traits) -> Vec<Test> {
    tests![traits.users() => [
        the_prompt_is_the_one_of_root,
        control_c_ends_the_job_and_not_the_container,
        control_c_at_a_script_ends_it_with_130,
        job_control_works,
        exit_gives_the_caller_its_terminal_back,
        sigterm_gives_the_caller_its_terminal_back,
        a_pipeline_keeps_its_terminal,
        a_start_in_the_background_waits_for_the_foreground,
        control_z_stops_a_program_without_job_control,
        the_terminal_is_dev_tty,
    ]]
}

fn the_prompt_is_the_one_of_root(stage: &Stage) {
    let mut terminal = Terminal::run(stage, "$0; echo status $?");
    terminal.see("# ");
    terminal.ask("exit 6", "status 6");
}

fn control_c_ends_the_job_and_not_the_container(stage: &Stage) {
    let mut terminal = Terminal::run(stage, "$0; echo status $?");
    terminal.see("# ");
    terminal.ask("echo sle''ep; sleep 1000", "sleep");
    terminal.control('c');
    terminal.ask("echo status of sleep $?", "status of sleep 130");
    terminal.ask("exit 0", "status 0");
}

fn control_c_at_a_script_ends_it_with_130(stage: &Stage) {
    let host = Snapshot::take();
    // The calling shell is interrupted as well, unless it minds.
    let script = "trap : INT; $0 -c 'echo ready; sleep 1000'; echo status $?";
    let mut terminal = Terminal::run(stage, script);
    terminal.see("ready");
    terminal.control('c');
    terminal.see("status 130");
    terminal.wait();
    host.assert_unchanged();
}

fn job_control_works(stage: &Stage) {
    let mut terminal = Terminal::run(stage, "$0; echo status $?");
    terminal.see("# ");
    // It is the job in the foreground before it says so.
    terminal.ask("sh -c \"echo run''ning; exec sleep 1000\"", "running");
    terminal.control('z');
    terminal.ask("jobs", "Stopped");
    terminal.see("sleep 1000");
    terminal.ask("fg", "sleep 1000");
    terminal.control('c');
    terminal.ask("echo status of sleep $?", "status of sleep 130");
    terminal.ask("exit 0", "status 0");
}

fn exit_gives_the_caller_its_terminal_back(stage: &Stage) {
    let mut terminal = Terminal::run(stage, "$0; echo left; read x; echo got $x, status $?");
    terminal.see("# ");
    // A job makes the shell put another process group into the foreground, and itself back again.
    terminal.ask("sleep 0; echo sl''ept", "slept");
    terminal.ask("exit", "left");
    terminal.ask("word", "got word, status 0");
}

fn sigterm_gives_the_caller_its_terminal_back(stage: &Stage) {
    let script = "stty -a >/tmp/before; $0; stty -a >/tmp/after; echo left; read x; echo got $x";
    let mut terminal = Terminal::run(stage, script);
    terminal.see("# ");
    // A job in the foreground, and modes that are not the caller's.
    terminal.ask("stty -icrnl -opost; echo sle''ep; sleep 1000", "sleep");
    thread::sleep(Duration::from_millis(200));
    let launcher = probe::children(terminal.caller())[0];
    kill(launcher, Signal::SIGTERM).unwrap();
    terminal.see("left");
    terminal.ask("word", "got word");
    let modes = |file: &str| fs::read_to_string(file).unwrap();
    assert_eq!(modes("/tmp/before"), modes("/tmp/after"));
}

fn a_pipeline_keeps_its_terminal(stage: &Stage) {
    // stty changes the modes while the container runs: they are its own to change, and stay changed.
    let script = "$0 -c 'sleep 0.3; echo x' | { stty -echo; cat; }; stty -a; read x";
    Terminal::run(stage, script).see(" -echo ");
}

fn a_start_in_the_background_waits_for_the_foreground(stage: &Stage) {
    stage.sh("true").ok();
    let mut terminal = Terminal::in_bash(stage);
    terminal.ask("$STAGE &", "outside$ ");
    // On a busy machine it takes its time.
    terminal
        .ask("until jobs | grep -q Stopped; do sleep 0.1; done; echo is sto''pped", "is stopped");
    terminal.ask("hostname", crate::HOSTNAME);
    terminal.enter("fg");
    terminal.keys("echo in''side\r");
    terminal.see("inside");
    terminal.leave("exit 3");
    terminal.ask("echo status $?", "status 3");
    terminal.enter("exit");
    terminal.wait();
}

fn control_z_stops_a_program_without_job_control(stage: &Stage) {
    stage.sh("true").ok();
    let mut terminal = Terminal::in_bash(stage);
    terminal.enter("$STAGE --nsshell /bin/cat");
    terminal.ask("word", "word");
    terminal.control('z');
    terminal.see("Stopped");
    terminal.ask("fg", "cat");
    terminal.ask("more", "more");
    terminal.control('c');
    terminal.wait_for_end();
    terminal.ask("echo status $?", "status 130");
    terminal.enter("exit");
    terminal.wait();
}

fn the_terminal_is_dev_tty(stage: &Stage) {
    if stage.traits.shares_mounts() {
        // It has no devices: stage 04 binds them.
        return;
    }
    let mut terminal = Terminal::run(stage, "$0 -c 'echo se''en >/dev/tty' >/tmp/log");
    terminal.see("seen");
}
