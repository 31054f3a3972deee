//! What the doctor says of stage 08, in a cgroup of its own.

use std::path::Path;
use std::process::{Command, ExitCode};

use common::testing::snapshot::Snapshot;
use common::testing::{self, As, Stage, cgroup, need};
use common::tests;
use help::{Report, before_and_after, sh};

mod help;

fn main() -> ExitCode {
    let tests = tests![
        &[As::Root, As::User] => [
            with_a_cgroup_of_ones_own_all_stages_run,
            the_cgroups_are_as_before,
            a_cgroup_that_is_left_is_named_with_the_command_that_removes_it,
        ],
        &[As::Root] => [
            a_cgroup_of_somebody_else_is_told,
            read_only_cgroups_can_be_made_writable,
            cgroups_that_are_not_mounted_can_be,
            another_cgroup_namespace_is_told,
        ],
    ];
    testing::main(8, env!("CARGO_BIN_EXE_doctor"), tests)
}

fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

fn with_a_cgroup_of_ones_own_all_stages_run(stage: &Stage) {
    let report = Report::now(stage);
    report.assert_states(&[("05-user", "ready"), ("08-cgroups", "ready")]);
    assert_eq!(report.row("08-cgroups").1, "cargo run -p cgroups");
    assert_eq!(report.code, 0);
}

fn the_cgroups_are_as_before(stage: &Stage) {
    let host = Snapshot::take();
    for _ in 0..5 {
        Report::now(stage);
        host.assert_unchanged();
    }
}

fn a_cgroup_that_is_left_is_named_with_the_command_that_removes_it(stage: &Stage) {
    assert_eq!(stage.run(["snapshot", "/tmp/file"]).code, 0);
    let left = cgroup::own().unwrap().join("08-cgroups.1.0");
    std::fs::create_dir_all(left.join("below")).unwrap();
    let compared = stage.run(["compare", "/tmp/file"]);
    assert_eq!(compared.code, 1);
    for command in compared.stdout.lines().filter_map(|line| line.strip_prefix("    ")) {
        sh(stage, command.trim_start_matches("sudo "));
    }
    assert!(!left.exists());
    assert_eq!(stage.run(["compare", "/tmp/file"]).ok(), "Nothing has changed.\n");
}

fn a_cgroup_of_somebody_else_is_told(stage: &Stage) {
    let host = Snapshot::take();
    let mut setpriv = Command::new(need("setpriv"));
    setpriv.args(["--reuid=1000", "--regid=1000", "--clear-groups"]).arg(&stage.program);
    let report = Report::of(&mut setpriv);
    assert_ne!(report.row("08-cgroups").0, "ready");
    let (title, advised) = if is_v2() {
        ("The cgroup is not yours", "systemd-run --user --scope -p Delegate=yes")
    } else {
        ("On cgroup v1 it takes root", "cargo as-root -p cgroups")
    };
    report.assert_cause("08-cgroups", title, &[advised, "gives up"]);
    host.assert_unchanged();
    // Root is who these tests run as.
    Report::now(stage).assert_states(&[("08-cgroups", "ready")]);
}

fn read_only_cgroups_can_be_made_writable(stage: &Stage) {
    let hierarchy = if is_v2() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/pids" };
    let provoke = format!("mount -o remount,bind,ro {hierarchy}");
    let (before, after) = before_and_after(stage, &["env"], &provoke);
    let words = ["Read-only", "mount -o remount,bind,rw", "run --cgroupns=host"];
    before.assert_cause("08-cgroups", "The cgroups are read-only", &words);
    after.assert_states(&[("08-cgroups", "ready")]);
}

fn cgroups_that_are_not_mounted_can_be(stage: &Stage) {
    let (before, after) = before_and_after(stage, &["env"], "umount -R /sys/fs/cgroup");
    before.assert_cause("08-cgroups", "No controller pids", &["mount -t cgroup"]);
    after.assert_states(&[("08-cgroups", "ready")]);
}

fn another_cgroup_namespace_is_told(stage: &Stage) {
    let report = Report::of(Command::new("unshare").arg("--cgroup").arg(&stage.program));
    let title = "The cgroups of another cgroup namespace";
    report.assert_cause("08-cgroups", title, &["/proc/self/cgroup", "outside"]);
    assert!(report.commands().is_empty(), "{}", report.text);
    Report::now(stage).assert_states(&[("08-cgroups", "ready")]);
}
