//! Stage 07 from outside.

use std::process::ExitCode;

use conformance::cgroup::{HUNDRED, SCRIPT_OF_THE_ARTICLE};
use conformance::queues::{self, BOTH, NEITHER};
use conformance::{As, Stage, Traits, eventually, probe, reach, tests};
use nix::unistd::Pid;

const TRAITS: Traits = Traits {
    namespaces: &["ipc", "mnt", "net", "pid", "user", "uts"],
    sets_hostname: true,
    root_directory: true,
};

fn main() -> ExitCode {
    let tests = tests![&[As::Root, As::User] => [
        queues_made_outside_are_not_inside,
        queues_made_inside_are_not_outside_and_end_with_the_container,
        a_posix_queue_is_a_file_in_dev_mqueue,
        the_network_is_the_one_of_stage_06,
        a_hundred_background_jobs_run,
    ]];
    conformance::stage(TRAITS, env!("CARGO_BIN_EXE_07-ipc"), tests)
}

fn queues_made_outside_are_not_inside(stage: &Stage) {
    queues::make_outside(7);
    assert_eq!(queues::seen_outside(7), BOTH);
    assert_eq!(queues::seen_inside(stage, 7), NEITHER);
}

fn queues_made_inside_are_not_outside_and_end_with_the_container(stage: &Stage) {
    queues::make_inside(stage, 8);
    assert_eq!(queues::seen_outside(8), NEITHER);
    assert_eq!(queues::seen_inside(stage, 8), NEITHER, "another container, another namespace");
}

fn a_posix_queue_is_a_file_in_dev_mqueue(stage: &Stage) {
    // Puts the program into the container's root directory.
    queues::make_inside(stage, 9);
    assert_eq!(
        stage.sh("/bin/queues make 9; /bin/queues look 9; ls /dev/mqueue").ok(),
        format!("{BOTH}queue-9\n")
    );
}

fn the_network_is_the_one_of_stage_06(stage: &Stage) {
    let cables =
        [include_str!("../../06-network/src/network.rs"), include_str!("../src/network.rs")];
    assert_eq!(cables[0], cables[1]);
    reach::install(stage);
    for address in ["10.10.10.1", "127.0.0.1"] {
        stage.sh(&reach::command(address, 5)).ok();
    }
}

fn a_hundred_background_jobs_run(stage: &Stage) {
    for script in [HUNDRED, SCRIPT_OF_THE_ARTICLE] {
        let container = stage.start(&format!("{script}; echo ready; exec sleep 1000"));
        let sleeping = |pid: &Pid| probe::read(*pid, "cmdline").starts_with("sleep\0");
        eventually("all sleep", || {
            let sleeping = container.descendants().iter().filter(|pid| sleeping(pid)).count();
            sleeping == 101
        });
    }
}
