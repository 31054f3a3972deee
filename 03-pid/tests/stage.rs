//! Stage 03 from outside.

use std::process::{Command, ExitCode, Stdio};

use common::rootfs;
use conformance::snapshot::Snapshot;
use conformance::{As, Output, Stage, Traits, escape, probe, tests};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;

const TRAITS: Traits =
    Traits { namespaces: &["pid", "uts"], sets_hostname: true, root_directory: true };

fn main() -> ExitCode {
    let tests = tests![
        &[As::Root, As::Rootless] => [
            its_proc_is_among_the_mounts_of_the_host_while_it_runs,
            two_containers_at_once_leave_no_mount,
            containers_that_start_while_others_end_leave_no_mount,
            a_process_1_that_is_killed_leaves_no_mount,
            its_chroot_can_be_escaped,
        ],
        &[As::Root, As::User] => [root_of_a_user_namespace_in_the_mounts_of_its_host_is_refused],
    ];
    conformance::stage(TRAITS, env!("CARGO_BIN_EXE_03-pid"), tests)
}

const PROC: &str = "proc /tmp/busybox/proc proc";

fn its_proc_is_among_the_mounts_of_the_host_while_it_runs(stage: &Stage) {
    let container = stage.start("echo ready; sleep 0.2");
    let mounts = probe::mounts(getpid());
    assert!(mounts.iter().any(|mount| mount == PROC), "{mounts:?}");
    assert_eq!(container.wait(), 0);
    let mounts = probe::mounts(getpid());
    assert!(!mounts.iter().any(|mount| mount == PROC), "{mounts:?}");
}

fn two_containers_at_once_leave_no_mount(stage: &Stage) {
    let first = stage.start("echo ready; sleep 0.3");
    let second = stage.start("echo ready; sleep 0.1");
    assert_eq!((second.wait(), first.wait()), (0, 0));
    let mounts = probe::mounts(getpid());
    assert!(!mounts.iter().any(|mount| mount == PROC), "{mounts:?}");
}

fn containers_that_start_while_others_end_leave_no_mount(stage: &Stage) {
    for _ in 0..10 {
        let spawn = || stage.command().args(["-c", "true"]).stderr(Stdio::null()).spawn();
        let containers: Vec<_> = (0..6).map(|_| spawn().expect("start")).collect();
        for mut container in containers {
            // One that wants to mount on a mount that is just being removed fails. It leaves nothing either.
            container.wait().expect("wait");
        }
    }
    let mounts = probe::mounts(getpid());
    assert!(!mounts.iter().any(|mount| mount == PROC), "{mounts:?}");
}

fn a_process_1_that_is_killed_leaves_no_mount(stage: &Stage) {
    let container = stage.start("echo ready; exec sleep 1000");
    kill(container.descendants()[0], Signal::SIGKILL).unwrap();
    assert_eq!(container.wait(), 137);
    let mounts = probe::mounts(getpid());
    assert!(!mounts.iter().any(|mount| mount == PROC), "{mounts:?}");
}

fn its_chroot_can_be_escaped(stage: &Stage) {
    assert!(escape::escapes(stage), "chroot(2) is no wall, and stage 04 tells why");
    assert_eq!(rootfs::DEFAULT, "/tmp/busybox");
}

fn root_of_a_user_namespace_in_the_mounts_of_its_host_is_refused(stage: &Stage) {
    let host = Snapshot::take();
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user"]).arg(&stage.program).args(["-c", "echo ran"]);
    Output::of(&mut unshare).refused(&["mount /proc", "another one", "cargo rootless -p pid"]);
    host.assert_unchanged();
    // What the runner of `cargo rootless` adds.
    let mut rootless = Command::new("unshare");
    rootless.args(["--user", "--map-root-user", "--mount"]).arg(&stage.program);
    assert!(Output::of(rootless.args(["-c", "echo ran"])).stdout == "ran\n");
    host.assert_unchanged();
}
