//! What the doctor says of stage 08, and of what has changed on the host: in a cgroup of its own, where no
//! other program makes any.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use conformance::snapshot::Snapshot;
use conformance::{As, Stage, cgroup, follow, need, tests, with_sudo};
use help::{ALL_BUT_CGROUPS, Report, before_and_after, sh};

#[allow(dead_code)]
mod help;

fn main() -> ExitCode {
    let tests = tests![
        &[As::Root, As::User] => [
            with_a_cgroup_of_ones_own_all_stages_run,
            the_open_files_that_a_stage_runs_with_are_enough_to_call_it_ready,
            the_cgroups_are_as_before,
            a_cgroup_that_is_left_is_named_with_the_command_that_removes_it,
            nothing_has_changed_since_a_moment_ago,
        ],
        &[As::Root] => [
            a_cgroup_of_somebody_else_is_told,
            root_of_a_user_namespace_is_told_that_the_cgroup_is_of_another,
            a_cgroup_with_others_below_it_is_told_with_one_that_has_none,
            a_limit_of_cgroups_is_told,
            whoever_locks_the_cgroup_does_not_keep_root_waiting,
            read_only_cgroups_can_be_made_writable,
            cgroups_that_are_not_mounted_can_be,
            another_cgroup_namespace_is_told,
            what_a_comparison_advises_undoes_all_changes,
        ],
    ];
    conformance::program(env!("CARGO_BIN_EXE_doctor"), true, &[], tests)
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

fn the_open_files_that_a_stage_runs_with_are_enough_to_call_it_ready(stage: &Stage) {
    // The same numbers as in `Traits::open_files`, with which a test runs each stage.
    let from_04 = [&ALL_BUT_CGROUPS[3..], &[("08-cgroups", "ready")]].concat();
    for (files, ready) in [(9, &ALL_BUT_CGROUPS[..2]), (11, &from_04), (13, &ALL_BUT_CGROUPS[2..3])]
    {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {files}; exec \"$0\"");
        Report::of(shell.args(["-c", &script]).arg(&stage.program)).assert_states(ready);
    }
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
    fs::create_dir_all(left.join("below")).unwrap();
    let compared = stage.run(["compare", "/tmp/file"]);
    assert_eq!(compared.code, 1);
    for command in compared.stdout.lines().filter_map(|line| line.strip_prefix("    ")) {
        follow(command);
    }
    assert!(!left.exists());
    assert_eq!(stage.run(["compare", "/tmp/file"]).ok(), "Nothing has changed.\n");
}

fn whoever_locks_the_cgroup_does_not_keep_root_waiting(stage: &Stage) {
    sh(stage, "mount -t tmpfs -o mode=755 run /run");
    let mut theirs = Command::new(need("setpriv"));
    theirs.args(["--reuid=1000", "--regid=1000", "--clear-groups"]);
    theirs.arg(need("flock")).arg(cgroup::own().unwrap()).args([
        "sh",
        "-c",
        "echo locked; exec cat",
    ]);
    let mut theirs = theirs.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    theirs.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    Report::now(stage).assert_states(&[("08-cgroups", "ready")]);
    theirs.kill().unwrap();
    theirs.wait().unwrap();
}

fn a_cgroup_of_somebody_else_is_told(stage: &Stage) {
    let host = Snapshot::take();
    let mut setpriv = Command::new(need("setpriv"));
    setpriv.args(["--reuid=1000", "--regid=1000", "--clear-groups"]).arg(&stage.program);
    let report = Report::of(&mut setpriv);
    assert_ne!(report.row("08-cgroups").0, "ready");
    let title = if is_v2() { "The cgroup is not yours" } else { "On cgroup v1 it needs root" };
    // Systemd gives cgroups on v2 alone, and only where this user has one of their own.
    let words = if is_v2() && Path::new("/run/user/1000/systemd/private").exists() {
        ["systemd-run --user --scope -p Delegate=yes", "gives up"]
    } else {
        ["cargo as-root -p cgroups", "gives up"].map(with_sudo)
    };
    report.assert_cause("08-cgroups", title, &words);
    host.assert_unchanged();
    // Root is who these tests run as.
    Report::now(stage).assert_states(&[("08-cgroups", "ready")]);
}

fn root_of_a_user_namespace_is_told_that_the_cgroup_is_of_another(stage: &Stage) {
    let ordinary = ["--reuid=1000", "--regid=1000", "--clear-groups"];
    let unshare = ["unshare", "--user", "--map-root-user", "--mount", "--net"];
    let mut setpriv = Command::new(need("setpriv"));
    let report = Report::of(setpriv.args(ordinary).args(unshare).arg(&stage.program));
    let title = "The cgroup belongs to another root";
    let words = ["start it outside", with_sudo("cargo as-root -p cgroups")];
    report.assert_cause("08-cgroups", title, &words);
    // Root of the machine is who these tests run as.
    Report::now(stage).assert_states(&[("08-cgroups", "ready")]);
}

fn a_cgroup_with_others_below_it_is_told_with_one_that_has_none(stage: &Stage) {
    if !is_v2() {
        // Version 1 has no such rule.
        return;
    }
    let own = cgroup::own().unwrap();
    let other = own.join("other");
    fs::create_dir(&other).unwrap();
    let mut sleep = Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(other.join("cgroup.procs"), sleep.id().to_string()).unwrap();
    let title = "The cgroup has others below it";
    let report = Report::now(stage);
    report.assert_cause("08-cgroups", title, &["cgroup.subtree_control"]);
    if Path::new("/run/systemd/system").exists() {
        report.assert_cause("08-cgroups", title, &["systemd-run --scope -p Delegate=yes"]);
    }
    // A scope is a cgroup beside this one.
    let scope = own.with_extension("scope");
    fs::create_dir(&scope).unwrap();
    let enter = format!("echo $$ >{}/cgroup.procs && exec \"$0\"", scope.display());
    let report = Report::of(Command::new("sh").args(["-c", &enter]).arg(&stage.program));
    fs::remove_dir(&scope).unwrap();
    report.assert_states(&[("08-cgroups", "ready")]);
    sleep.kill().unwrap();
    sleep.wait().unwrap();
}

fn a_limit_of_cgroups_is_told(stage: &Stage) {
    if !is_v2() {
        // Version 1 has no such limit.
        return;
    }
    let limit = cgroup::own().unwrap().join("cgroup.max.descendants");
    fs::write(&limit, "0").unwrap();
    let title = "A limit of cgroups is reached";
    Report::now(stage).assert_cause(
        "08-cgroups",
        title,
        &["temporarily", "cgroup.max.descendants"],
    );
    fs::write(&limit, "max").unwrap();
    Report::now(stage).assert_states(&[("08-cgroups", "ready")]);
}

fn read_only_cgroups_can_be_made_writable(stage: &Stage) {
    let hierarchy = if is_v2() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/pids" };
    let provoke = format!("mount -o remount,bind,ro {hierarchy}");
    let (before, after) = before_and_after(stage, &["env"], &provoke);
    let (title, words) = ("The cgroups are read-only", ["Read-only", "mount -o remount,bind,rw"]);
    before.assert_cause("08-cgroups", title, &words);
    assert!(!before.text.contains("docker run"), "{}", before.text);
    after.assert_states(&[("08-cgroups", "ready")]);
}

fn cgroups_that_are_not_mounted_can_be(stage: &Stage) {
    let (before, after) = before_and_after(stage, &["env"], "umount -R /sys/fs/cgroup");
    before.assert_cause("08-cgroups", "No controller pids", &["mount -t cgroup"]);
    after.assert_states(&[("08-cgroups", "ready")]);
    // And where they could be mounted there may be nothing.
    let (before, after) = before_and_after(stage, &["env"], "umount -R /sys");
    before.assert_cause("08-cgroups", "No controller pids", &["mount -t sysfs sysfs /sys &&"]);
    after.assert_states(&[("08-cgroups", "ready")]);
}

fn another_cgroup_namespace_is_told(stage: &Stage) {
    let report = Report::of(Command::new("unshare").arg("--cgroup").arg(&stage.program));
    let title = "The cgroups of another cgroup namespace";
    report.assert_cause("08-cgroups", title, &["/proc/self/cgroup", "outside"]);
    assert!(report.commands().is_empty(), "{}", report.text);
    Report::now(stage).assert_states(&[("08-cgroups", "ready")]);
}

fn nothing_has_changed_since_a_moment_ago(stage: &Stage) {
    assert_eq!(stage.run(["snapshot", "/tmp/file"]).code, 0);
    assert_eq!(stage.run(["compare", "/tmp/file"]).ok(), "Nothing has changed.\n");
}

/// What a stage, or an exercise, could leave behind.
const CHANGES: &str = "
    hostname changed
    mkdir '/mnt/with space' /mnt/gone.new
    mount -t tmpfs new /mnt/gone.new; mount -t tmpfs on '/mnt/with space'
    mkdir '/mnt/with space/below'; mount -t tmpfs below '/mnt/with space/below'
    umount /mnt/gone
    mount -o remount,bind,nodev /mnt/kept; mount --make-private /mnt/shared
    ip link add brg0 type bridge; ip addr add 10.10.10.1/24 dev brg0; ip link set brg0 up
    ip addr del 10.3.0.1/24 dev lo; ip addr add 10.4.0.1/24 dev lo
    ip route add 10.5.0.0/16 dev lo; ip route del 10.6.0.0/16
    ip link set old up
    ipcmk -Q; ipcmk -S 1; ipcmk -M 1";

/// What nft(8) has, where it is there.
const RULES: &str = "
    nft add table ip new; nft add chain ip new c; nft add rule ip new c accept
    nft add rule ip kept c drop; nft add chain ip kept d; nft add rule ip kept d accept";

fn what_a_comparison_advises_undoes_all_changes(stage: &Stage) {
    need("ip");
    let has_nft = conformance::has("nft");
    sh(
        stage,
        "mount -t tmpfs scratch /mnt; mkdir /mnt/gone /mnt/kept /mnt/shared
         mount -t tmpfs -o nosuid gone /mnt/gone; mount -t tmpfs kept /mnt/kept
         mount -t tmpfs shared /mnt/shared; ip link set lo up; ip addr add 10.3.0.1/24 dev lo
         ip route add 10.6.0.0/16 dev lo; ip link add old type bridge",
    );
    if has_nft {
        sh(stage, "nft add table ip kept; nft add chain ip kept c");
    }
    stage.run(["snapshot", "/tmp/file"]).ok();
    let host = Snapshot::take();
    sh(stage, CHANGES);
    if has_nft {
        sh(stage, RULES);
    }
    let compared = stage.run(["compare", "/tmp/file"]);
    assert_eq!(compared.code, 1);
    for line in compared.stdout.lines().filter_map(|line| line.strip_prefix("    ")) {
        follow(line);
    }
    // What is mounted anew has another number.
    let left = stage.run(["compare", "/tmp/file"]).stdout;
    let changes = left.lines().filter(|line| line.starts_with(['+', '-']));
    let other = changes.filter(|line| !line[2..].starts_with("mount: "));
    assert_eq!(other.collect::<Vec<_>>(), Vec::<&str>::new(), "{}", compared.stdout);
    let changes = host.changes();
    assert!(changes.new.iter().all(|(_, line)| line.contains(" /mnt/")), "{changes}");
    sh(stage, "grep -q '^gone /mnt/gone tmpfs rw,nosuid,' /proc/mounts");
    assert!(!sh(stage, "cat /proc/mounts").contains("below"));
}
