//! Limits that are reached, and raised as the doctor says.

use std::fs;
use std::process::Command;

use conformance::{Stage, follow, need};

use crate::WITH_USER_NAMESPACES;
use crate::help::{ALL_BUT_CGROUPS, Report, before_and_after, sh};

/// What the doctor calls it.
const TITLE: &str = "A limit of namespaces is reached";

pub fn user_namespaces_switched_off_can_be_switched_on(stage: &Stage) {
    need("sysctl");
    // The limit counts in the user namespace that it is written in, and below.
    let with = ["unshare", "--user", "--map-root-user", "--mount", "--net"];
    let provoke = "echo 0 >/proc/sys/user/max_user_namespaces";
    let (before, after) = before_and_after(stage, &with, provoke);
    before.assert_states(&[("01-uts", "ready"), ("04-mount", "ready")]);
    for folder in WITH_USER_NAMESPACES {
        let title = "User namespaces are switched off";
        let words = ["ENOSPC", "sysctl user.max_user_namespaces=15000", "gives up: a layer"];
        before.assert_cause(folder, title, &words);
    }
    after.assert_states(&ALL_BUT_CGROUPS);
    assert_eq!(after.code, 0);
}

pub fn a_limit_of_namespaces_is_told_and_can_be_raised(stage: &Stage) {
    need("sysctl");
    for (kind, runs) in [("uts", 0), ("net", 5), ("ipc", 6)] {
        let provoke = format!("echo 0 >/proc/sys/user/max_{kind}_namespaces");
        let with = ["unshare", "--user", "--map-root-user", "--mount", "--net"];
        let (before, after) = before_and_after(stage, &with, &provoke);
        before.assert_states(&ALL_BUT_CGROUPS[..runs]);
        let command = format!("sysctl user.max_{kind}_namespaces=15000");
        for (folder, _) in &ALL_BUT_CGROUPS[runs..] {
            before.assert_cause(folder, TITLE, &["ENOSPC", &command]);
        }
        after.assert_states(&ALL_BUT_CGROUPS);
    }
}

pub fn a_limit_of_mounts_that_are_in_no_place_yet_is_told_and_can_be_raised(stage: &Stage) {
    need("sysctl");
    // The shell has one, and with two the container has the other.
    for (limit, words) in [(0, "CLONE_NEWNS"), (2, "bind the root directory")] {
        let provoke = format!("echo {limit} >/proc/sys/user/max_mnt_namespaces");
        let with = ["unshare", "--user", "--map-root-user", "--mount", "--net"];
        let (before, after) = before_and_after(stage, &with, &provoke);
        before.assert_states(&ALL_BUT_CGROUPS[..3]);
        let command = "sysctl user.max_mnt_namespaces=15000";
        before.assert_cause("04-mount", TITLE, &["ENOSPC", words, command]);
        before.assert_cause("05-user", TITLE, &["ENOSPC"]);
        after.assert_states(&ALL_BUT_CGROUPS);
    }
}

pub fn a_limit_of_namespaces_from_above_is_told_with_the_command_that_shows_the_others(
    stage: &Stage,
) {
    let inner = "exec unshare --user --map-root-user --mount --net \"$0\"";
    let script = format!("echo 1 >/proc/sys/user/max_user_namespaces; {inner}");
    let with = ["--user", "--map-root-user", "--mount", "sh", "-c", &script];
    let report = Report::of(Command::new("unshare").args(with).arg(&stage.program));
    report.assert_states(&ALL_BUT_CGROUPS[..4]);
    report.assert_cause("05-user", TITLE, &["ENOSPC", "gives up: nothing"]);
    let shown = follow(&report.commands()[0]);
    assert!(shown.contains("/proc/sys/user/max_net_namespaces:"), "{shown}");
}

pub fn a_stage_that_takes_the_last_user_namespace_is_ready(stage: &Stage) {
    let script = "echo 1 >/proc/sys/user/max_user_namespaces; exec \"$0\"";
    let with = ["--user", "--map-root-user", "--mount", "--net", "sh", "-c", script];
    let report = Report::of(Command::new("unshare").args(with).arg(&stage.program));
    report.assert_states(&ALL_BUT_CGROUPS);
}

pub fn a_limit_of_processes_is_told(stage: &Stage) {
    let mut limited = Command::new(need("prlimit"));
    let report = Report::of(limited.arg("--nproc=1:1").arg(&stage.program));
    for (folder, _) in ALL_BUT_CGROUPS {
        report.assert_cause(folder, "The limit of processes is reached", &["ulimit -u"]);
    }
    Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
}

pub fn a_limit_of_open_files_or_of_their_size_is_told_and_can_be_raised(stage: &Stage) {
    for (limit, title, raised) in [
        ("-n 11", "The limit of open files is reached", "ulimit -n 1024"),
        ("-f 100", "A limit of file sizes is in the way", "ulimit -f unlimited"),
    ] {
        for which in ["-S", ""] {
            // What is not for an ordinary user to raise, nor for this root, no command here raises.
            if which.is_empty() && !may_raise() {
                continue;
            }
            let script = format!(
                r#"ulimit {which} {limit}; "$0" || true; echo =; "$0" >/tmp/report
                eval "$(sed -n 's/^       \([^ ]\)/\1/p' /tmp/report | head -n 1)"; "$0" || true"#
            );
            let shell = sh(stage, &script);
            let (before, after) = shell.split_once("=\n").unwrap();
            let report = Report { text: before.into(), code: -1 };
            report.assert_states(&ALL_BUT_CGROUPS[..2]);
            let command = if which == "-S" { "ulimit -S" } else { raised };
            report.assert_cause("03-pid", title, &[command]);
            Report { text: after.into(), code: -1 }.assert_states(&ALL_BUT_CGROUPS);
        }
    }
}

/// Whether this process has CAP_SYS_RESOURCE in the first user namespace.
fn may_raise() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let set = status.split("CapEff:").nth(1).unwrap().split_whitespace().next().unwrap();
    let is_first = fs::read_to_string("/proc/self/uid_map").unwrap().contains("4294967295");
    is_first && u64::from_str_radix(set, 16).unwrap() & (1 << 24) != 0
}
