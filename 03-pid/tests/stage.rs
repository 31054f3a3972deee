//! Stage 03 from outside.

use std::process::ExitCode;

use common::testing::{self, As, Stage, escape, every_stage, probe};
use common::{rootfs, tests};
use nix::unistd::getpid;

fn main() -> ExitCode {
    let mut tests = every_stage::tests(3);
    tests.extend(tests![
        &[As::Root, As::Rootless] => [
            its_proc_is_among_the_mounts_of_the_host_while_it_runs,
            two_containers_at_once_leave_no_mount,
            its_chroot_can_be_escaped,
        ],
    ]);
    testing::main(3, env!("CARGO_BIN_EXE_03-pid"), tests)
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

fn its_chroot_can_be_escaped(stage: &Stage) {
    assert!(escape::escapes(stage), "chroot(2) is no wall, and stage 04 tells why");
    assert_eq!(rootfs::DEFAULT, "/tmp/busybox");
}
