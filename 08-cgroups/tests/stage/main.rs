//! Stage 08 from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use conformance::cgroup::{self, HUNDRED, SCRIPT_OF_THE_ARTICLE};
use conformance::snapshot::Snapshot;
use conformance::{As, Container, Output, Stage, Traits, probe, reach, tests};
use conformance::{eventually, need};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid};

const TRAITS: Traits = Traits {
    namespaces: &["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"],
    sets_hostname: true,
    root_directory: true,
};

fn main() -> ExitCode {
    let tests = tests![&[As::Root, As::User] => [
        a_hundred_background_jobs_are_cut_at_the_limit,
        the_script_of_the_article_is_cut_at_the_limit,
        the_limit_is_seen_from_outside,
        a_limit_that_does_not_fit_a_shell_is_refused_before_it_runs,
        a_value_that_is_no_limit_is_refused,
        exactly_the_limit_fits,
        proc_self_cgroup_reads_root,
        two_containers_have_a_limit_each,
        many_may_start_at_once,
        what_a_killed_launcher_has_left_the_next_start_removes,
        a_cgroup_with_a_process_that_stays_behind_is_named_and_removed_by_the_next_start,
        a_process_that_leaves_soon_is_waited_for,
        cgroups_made_in_the_container_are_removed,
        cgroups_deeper_than_any_path_are_removed,
        the_cgroup_stays_empty_but_for_the_container,
        on_cgroup_v1_only_the_pids_hierarchy_is_touched,
        root_in_the_container_may_raise_its_limit_unless_cgroups_are_delegated,
        a_container_started_in_the_cgroup_of_another_is_limited_by_both,
        the_network_is_the_one_of_stage_06,
    ], &[As::Root] => [
        what_limits_the_launcher_limits_the_container,
        a_users_limit_of_processes_that_is_none_for_root_is_not_named,
        who_may_not_make_a_cgroup_is_told_what_to_type,
        cgroups_mounted_read_only_are_refused,
        a_machine_without_cgroups_is_refused,
        mounts_of_another_cgroup_namespace_are_refused,
        in_a_cgroup_namespace_with_its_own_mounts_it_works,
    ]];
    conformance::stage(TRAITS, env!("CARGO_BIN_EXE_08-cgroups"), tests)
}

/// Returns the containers' cgroups below the test's own.
fn containers() -> Vec<PathBuf> {
    let mut found = cgroup::children(&cgroup::own().expect("the test has a cgroup"));
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("08-cgroups."));
    found.sort();
    found
}

/// Returns the container's cgroup, when there is just one.
#[track_caller]
fn the_container() -> PathBuf {
    let found = containers();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[track_caller]
fn read(cgroup: &Path, file: &str) -> String {
    let path = cgroup.join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.trim().to_owned()
}

#[track_caller]
fn write(cgroup: &Path, file: &str, text: &str) {
    let path = cgroup.join(file);
    fs::write(&path, text).unwrap_or_else(|e| panic!("write {text} to {}: {e}", path.display()));
}

/// Whether the machine has cgroup v2.
fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

fn a_hundred_background_jobs_are_cut_at_the_limit(stage: &Stage) {
    let host = Snapshot::take();
    let script = format!("{HUNDRED}; echo ready; wc -l </temp/log; read x");
    let mut command = stage.command();
    command
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut launcher = command.spawn().unwrap();
    let (input, mut errors) = (launcher.stdin.take(), launcher.stderr.take().unwrap());
    let mut container = Container::of(launcher);
    assert_eq!(container.line(), "1", "the shell of the hundred has been refused a process");
    let cgroup = the_container();
    // The shell of the hundred has ended. Before, it was one of the twenty.
    eventually("nineteen", || read(&cgroup, "pids.current") == "19");
    assert_eq!(read(&cgroup, "pids.events").lines().next(), Some("max 1"));
    assert_eq!(container.descendants().len(), 19, "seventeen sleeps, the shell, and ns_init");
    drop(input);
    assert_eq!(container.wait(), 1, "the read has failed");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut errors, &mut said).unwrap();
    assert!(said.contains("was refused a process once: pids.max is 20"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    host.assert_unchanged();
}

fn the_script_of_the_article_is_cut_at_the_limit(stage: &Stage) {
    let _container = stage.start(&format!("{SCRIPT_OF_THE_ARTICLE}; echo ready; exec sleep 1000"));
    let cgroup = the_container();
    // Which of a job's two processes is refused is chance, and so is how many are left.
    assert!((2..=20).contains(&threads(&cgroup).len()));
    assert_ne!(read(&cgroup, "pids.events").lines().next(), Some("max 0"));
}

fn the_limit_is_seen_from_outside(stage: &Stage) {
    for (args, limit) in [
        (&[][..], "20"),
        (&["--pids-max", "7"], "7"),
        (&["--pids-max=max"], "max"),
        (&["--pids-max=4194304"], "max"),
    ] {
        let host = Snapshot::take();
        let mut command = stage.command();
        let container =
            Container::start(command.args(args).args(["-c", "echo ready; exec sleep 1000"]));
        let cgroup = the_container();
        // The kernel takes the number of its process ids for no limit.
        assert!([limit, "4194304"].contains(&read(&cgroup, "pids.max").as_str()), "{args:?}");
        let mut inside: Vec<_> = container.descendants().iter().map(Pid::to_string).collect();
        let mut listed = threads(&cgroup);
        inside.sort();
        listed.sort();
        assert_eq!(listed, inside, "{args:?}");
        container.signal(Signal::SIGTERM);
        assert_eq!(container.wait(), 137);
        host.assert_unchanged();
    }
}

/// Returns the threads of a cgroup. (On v2 a threaded one does not list its processes.)
fn threads(cgroup: &Path) -> Vec<String> {
    let file = if is_v2() { "cgroup.threads" } else { "tasks" };
    read(cgroup, file).lines().map(str::to_owned).collect()
}

fn a_limit_that_does_not_fit_a_shell_is_refused_before_it_runs(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    for limit in ["0", "1"] {
        let output = stage.run(["--pids-max", limit, "-c", "echo ran"]);
        assert!(output.code == 1 && output.stdout.is_empty(), "{output:#?}");
        let lines: Vec<_> = output.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("EAGAIN") && lines[0].contains("pids.max"), "{lines:?}");
        assert!(lines[1].contains(&format!("once: pids.max is {limit}")), "{lines:?}");
        host.assert_unchanged();
    }
    assert_eq!(stage.run(["--pids-max", "2", "-c", "echo ran"]).ok(), "ran\n");
}

fn a_users_limit_of_processes_that_is_none_for_root_is_not_named(stage: &Stage) {
    let mut limited = Command::new(need("prlimit"));
    let args = ["--pids-max", "1", "-c", "true"];
    let output = Output::of(limited.arg("--nproc=1000:2000").arg(&stage.program).args(args));
    assert!(output.code == 1 && output.stderr.contains("pids.max of this cgroup"), "{output:#?}");
    for wrong in ["ulimit", "nproc"] {
        assert!(!output.stderr.contains(wrong), "{output:#?}");
    }
}

fn a_value_that_is_no_limit_is_refused(stage: &Stage) {
    let host = Snapshot::take();
    for value in ["-1", "many", "", "4194305", "20.0", "99999999999999999999", "MAX"] {
        let output = stage.run([&format!("--pids-max={value}"), "-c", "echo ran"]);
        assert!(output.code == 2 && output.stdout.is_empty(), "{value:?}: {output:#?}");
        assert!(output.stderr.contains("--pids-max"), "{value:?}: {output:#?}");
    }
    // What others take for no limit is a value here as well, and no unknown option.
    let output = stage.run(["--pids-max", "-1", "-c", "true"]);
    assert!(output.stderr.contains("invalid value '-1'"), "{output:#?}");
    assert!(output.stderr.contains("nor `max`"), "{output:#?}");
    host.assert_unchanged();
}

fn exactly_the_limit_fits(stage: &Stage) {
    // With ns_init, the shell and three jobs there are five.
    let script = "sleep 1000 & sleep 1000 & sleep 1000 & echo fits";
    let run = |limit: &str| stage.run(["--pids-max", limit, "-c", script]);
    let output = run("5");
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("fits\n", ""));
    let output = run("4");
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("was refused a process once: pids.max is 4"), "{output:#?}");
}

fn proc_self_cgroup_reads_root(stage: &Stage) {
    let seen = stage.sh("cat /proc/self/cgroup").ok();
    assert!(!seen.is_empty() && seen.lines().all(|line| line.ends_with(":/")), "{seen}");
    let host = probe::read(getpid(), "cgroup");
    assert!(host.lines().any(|line| !line.ends_with(":/")), "the host's is another: {host}");
    assert_eq!(seen.lines().count(), host.lines().count());
}

fn two_containers_have_a_limit_each(stage: &Stage) {
    let host = Snapshot::take();
    let script = format!("{HUNDRED}; echo ready; exec sleep 1000");
    let (first, second) = (stage.start(&script), stage.start(&script));
    let cgroups = containers();
    assert_eq!(cgroups.len(), 2);
    for cgroup in &cgroups {
        eventually("nineteen", || read(cgroup, "pids.current") == "19");
    }
    first.signal(Signal::SIGTERM);
    assert_eq!(first.wait(), 137);
    assert_eq!(read(&the_container(), "pids.current"), "19", "the other one goes on");
    second.signal(Signal::SIGTERM);
    assert_eq!(second.wait(), 137);
    host.assert_unchanged();
}

fn many_may_start_at_once(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    let start = |_| stage.command().args(["-c", "sleep 0.1"]).stdin(Stdio::null()).spawn().unwrap();
    let launchers: Vec<_> = (0..12).map(start).collect();
    for mut launcher in launchers {
        assert!(launcher.wait().unwrap().success());
    }
    host.assert_unchanged();
}

fn what_limits_the_launcher_limits_the_container(stage: &Stage) {
    stage.sh("true").ok();
    let own = cgroup::own().unwrap();
    let running: usize = read(&own, "pids.current").parse().unwrap();
    write(&own, "pids.max", &(running + 8).to_string());
    let script = format!("{HUNDRED}; wc -l </temp/log");
    let output = stage.sh(&script);
    assert_eq!(output.stdout, "1\n", "{output:#?}");
    write(&own, "pids.max", "max");
    let output = stage.run(["--pids-max", "max", "-c", &script]);
    assert_eq!(output.stdout, "0\n", "{output:#?}");
}

fn what_a_killed_launcher_has_left_the_next_start_removes(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    let [killed, other] = [0, 1].map(|_| stage.start("echo ready; exec sleep 1000"));
    let left = probe::cgroup(killed.youngest()).unwrap();
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.wait(), 137);
    eventually("it is empty", || threads(&left).is_empty());
    other.signal(Signal::SIGTERM);
    assert_eq!(other.wait(), 137);
    assert_eq!(the_container(), left, "the other launcher has removed its own alone");
    stage.sh("true").ok();
    assert!(!left.exists());
    eventually("the host is as before", || {
        // A bridge of root's goes with the first start that finds no cable of the killed.
        stage.sh("true").ok();
        host.changes().is_empty()
    });
}

/// Moves a process of the test's to the container's cgroup.
fn move_there(process: u32) {
    write(&the_container(), "cgroup.procs", &process.to_string());
}

fn a_cgroup_with_a_process_that_stays_behind_is_named_and_removed_by_the_next_start(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    let mut foreign = Command::new("sleep").arg("1000").spawn().unwrap();
    let mut launcher = stage
        .command()
        .args(["-c", "echo ready; read x; exit 7"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (input, mut errors) = (launcher.stdin.take(), launcher.stderr.take().unwrap());
    let container = Container::of(launcher);
    let cgroup = the_container();
    move_there(foreign.id());
    drop(input);
    assert_eq!(container.wait(), 1);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut errors, &mut said).unwrap();
    let words = [
        cgroup.to_str().unwrap(),
        &format!("[{}]", foreign.id()),
        "resource busy",
        "the next start",
    ];
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(cgroup.exists());
    // A start while it is there takes another name.
    stage.sh("true").ok();
    assert!(cgroup.exists());
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    stage.sh("true").ok();
    assert!(!cgroup.exists());
    host.assert_unchanged();
}

fn a_process_that_leaves_soon_is_waited_for(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    let mut foreign = Command::new("sleep").arg("1000").spawn().unwrap();
    let container = stage.start("echo ready; exec sleep 1000");
    move_there(foreign.id());
    let shell = container.youngest();
    container.signal(Signal::SIGTERM);
    eventually("the container has ended", || probe::read(shell, "stat").is_empty());
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    assert_eq!(container.wait(), 137);
    host.assert_unchanged();
}

/// Mounts the cgroups on /temp, as root in the container sees them.
fn mount_cgroups() -> &'static str {
    if is_v2() { "mount -t cgroup2 none /temp" } else { "mount -t cgroup -o pids none /temp" }
}

fn cgroups_made_in_the_container_are_removed(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    let script =
        format!("{} && mkdir -p /temp/a/b /temp/c && ls -d /temp/a/b /temp/c", mount_cgroups());
    assert_eq!(stage.sh(&script).ok(), "/temp/a/b\n/temp/c\n");
    host.assert_unchanged();
    let container = stage.start(&format!("{script} >/dev/null; echo ready; exec sleep 1000"));
    assert_eq!(cgroup::tree(&the_container()).len(), 4);
    container.signal(Signal::SIGKILL);
    container.wait();
    eventually("the next start removes all", || {
        stage.sh("true").ok();
        host.changes().is_empty()
    });
}

fn cgroups_deeper_than_any_path_are_removed(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    // A path has at most 4096 bytes, with the zero at its end: path_resolution(7).
    let name = "n".repeat(200);
    let mkdir = format!("mkdir {name} && cd -P {name} 2>/dev/null && n=$((n+1)) || exit");
    let script = format!(
        "{} && cd /temp && n=0; while [ $n -lt 30 ]; do {mkdir}; done; echo $n",
        mount_cgroups()
    );
    assert_eq!(stage.sh(&script).ok(), "30\n");
    host.assert_unchanged();
}

fn the_cgroup_stays_empty_but_for_the_container(stage: &Stage) {
    let container = stage.start("echo ready; exec sleep 1000");
    let own = cgroup::own().unwrap();
    assert_eq!(
        probe::cgroup(container.launcher()),
        Some(own.clone()),
        "the launcher has not moved"
    );
    assert_eq!(probe::cgroup(getpid()), Some(own));
    for process in container.descendants() {
        assert_eq!(probe::cgroup(process), Some(the_container()));
    }
}

fn on_cgroup_v1_only_the_pids_hierarchy_is_touched(stage: &Stage) {
    let container = stage.start("echo ready; exec sleep 1000");
    let others = |pid| -> Vec<String> {
        let lines = probe::read(pid, "cgroup");
        let is_pids = |line: &&str| !line.contains(":pids:") && !line.starts_with("0::");
        lines.lines().filter(is_pids).map(str::to_owned).collect()
    };
    assert_eq!(others(container.youngest()), others(getpid()));
    let here = probe::cgroup(container.youngest()).unwrap();
    let name = here.file_name().unwrap();
    let mounts = probe::mounts(getpid());
    let hierarchies = mounts.iter().filter(|mount| mount.contains(" cgroup"));
    let own = cgroup::own().unwrap();
    for mount in hierarchies.filter_map(|mount| mount.split(' ').nth(1)) {
        let below = cgroup::tree(Path::new(mount));
        let found: Vec<_> = below.iter().filter(|path| path.file_name() == Some(name)).collect();
        let ours: Vec<_> = found.iter().filter(|path| path.parent() == Some(&own)).collect();
        let expected = usize::from(here.starts_with(mount));
        assert_eq!(ours.len(), expected, "{mount}: {found:?}");
        assert!(found.iter().all(|path| path.starts_with(own.parent().unwrap())), "{found:?}");
    }
}

/// Whether the machine's cgroup v2 lets nobody reach over the border of a delegated cgroup.
fn has_nsdelegate() -> bool {
    let mounts = probe::read(getpid(), "mounts");
    mounts
        .lines()
        .any(|line| line.contains(" /sys/fs/cgroup cgroup2 ") && line.contains("nsdelegate"))
}

fn root_in_the_container_may_raise_its_limit_unless_cgroups_are_delegated(stage: &Stage) {
    let script = format!("{} && echo max >/temp/pids.max", mount_cgroups());
    let output = stage.sh(&script);
    if has_nsdelegate() {
        assert!(output.code != 0 && output.stderr.contains("not permitted"), "{output:#?}");
    } else {
        output.ok();
    }
}

fn a_container_started_in_the_cgroup_of_another_is_limited_by_both(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    let outer = stage.start("echo ready; exec sleep 1000");
    let there = the_container().join("cgroup.procs");
    // On cgroup v2 it is threaded, and so has to be what is made in it.
    let inner = format!("{HUNDRED}; wc -l </temp/log");
    let script = format!("echo $$ >{} && exec \"$0\" --pids-max 100 -c \"$1\"", there.display());
    let output =
        Output::of(Command::new("sh").args(["-c", &script]).arg(&stage.program).arg(&inner));
    assert_eq!((output.code, output.stdout.as_str()), (0, "1\n"), "{output:#?}");
    assert_eq!(containers().len(), 1);
    outer.signal(Signal::SIGTERM);
    outer.wait();
    host.assert_unchanged();
}

fn the_network_is_the_one_of_stage_06(stage: &Stage) {
    let cables =
        [include_str!("../../../06-network/src/network.rs"), include_str!("../../src/network.rs")];
    assert_eq!(cables[0], cables[1]);
    reach::install(stage);
    for address in ["10.10.10.1", "127.0.0.1"] {
        stage.sh(&reach::command(address, 5)).ok();
    }
}

fn who_may_not_make_a_cgroup_is_told_what_to_type(stage: &Stage) {
    let host = Snapshot::take();
    let ordinary = ["--reuid=1000", "--regid=1000", "--clear-groups"];
    let mut setpriv = Command::new(need("setpriv"));
    setpriv.args(ordinary).arg(&stage.program).args(["-c", "echo ran"]);
    let line = Output::of(&mut setpriv).refused(&[
        "make a cgroup",
        "Permission denied",
        conformance::with_sudo("cargo as-root -p cgroups"),
    ]);
    let scope = "systemd-run --user --scope -p Delegate=yes cargo run -p cgroups";
    // Systemd gives cgroups on v2 alone, and only where this user has one of their own.
    let has_systemd = Path::new("/run/user/1000/systemd/private").exists();
    assert_eq!(line.contains(scope), is_v2() && has_systemd, "{line}");
    host.assert_unchanged();
}

fn cgroups_mounted_read_only_are_refused(stage: &Stage) {
    let hierarchy = if is_v2() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/pids" };
    Output::of(Command::new("mount").args(["-o", "remount,bind,ro", hierarchy])).ok();
    let host = Snapshot::take();
    let command = format!("mount -o remount,bind,rw {hierarchy}");
    let words = ["make a cgroup", "Read-only", "read-only", &command];
    let line = stage.sh("echo ran").refused(&words);
    // It is not known to be Docker.
    assert!(!line.contains("docker run"), "{line}");
    host.assert_unchanged();
}

fn a_machine_without_cgroups_is_refused(stage: &Stage) {
    Output::of(Command::new("umount").args(["-R", "/sys/fs/cgroup"])).ok();
    stage.sh("echo ran").refused(&["no cgroup hierarchy with the controller pids is mounted"]);
}

fn mounts_of_another_cgroup_namespace_are_refused(stage: &Stage) {
    let host = Snapshot::take();
    let mut unshare = Command::new("unshare");
    Output::of(unshare.arg("-C").arg(&stage.program).args(["-c", "echo ran"]))
        .refused(&["another cgroup namespace"]);
    host.assert_unchanged();
}

fn in_a_cgroup_namespace_with_its_own_mounts_it_works(stage: &Stage) {
    let host = Snapshot::take();
    let mount = if is_v2() {
        "umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup"
    } else {
        "mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/pids && \
         mount -t cgroup -o pids none /sys/fs/cgroup/pids"
    };
    let script =
        format!("mount --make-rprivate / && {mount} && exec \"$0\" -c 'cat /proc/self/cgroup'");
    let mut unshare = Command::new("unshare");
    unshare.args(["-C", "-m", "sh", "-c", &script]).arg(&stage.program);
    assert!(Output::of(&mut unshare).ok().lines().all(|line| line.ends_with(":/")));
    host.assert_unchanged();
}
