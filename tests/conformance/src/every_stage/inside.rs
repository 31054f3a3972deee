//! What a container sees, and what it does not.

use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use common::rootfs;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::unistd::getpid;

use super::WAIT;
use crate::snapshot::Snapshot;
use crate::{As, Output, Stage, Test, Traits, advised, eventually, gets, probe, tests};

/// Returns the tests for a stage of these traits.
pub fn tests(traits: &Traits) -> Vec<Test> {
    let mut tests = tests![traits.users() => [
        exactly_the_namespaces_of_the_stage_are_new,
        no_open_descriptor_reaches_the_shell,
        the_shell_has_default_signals,
        a_current_directory_that_may_not_be_entered_is_no_obstacle,
    ]];
    if traits.root_directory {
        tests.extend(tests![traits.users() => [
            a_directory_as_standard_input_output_or_error_is_refused,
        ]]);
    }
    if traits.sets_hostname {
        tests.extend(tests![traits.users() => [
            the_hostname_is_set_inside_and_stays_outside,
            a_hostname_of_64_bytes_is_set,
            a_hostname_of_65_bytes_is_refused,
        ]]);
    }
    if !traits.has("pid") {
        tests.extend(tests![traits.users() => [the_environment_is_the_one_of_the_host]]);
    } else {
        tests.extend(tests![traits.users() => [
            no_variable_of_the_host_but_term_is_inside,
            the_shell_is_process_2_and_sees_nobody_outside,
            orphans_are_reaped,
            an_orphan_may_end_by_any_signal,
            a_background_job_has_a_standard_input,
            proc_is_mounted_with_the_usual_restrictions,
        ]]);
    }
    if traits.has("mnt") {
        tests.extend(tests![traits.users() => [
            mounts_show_up_inside_and_not_on_a_host_that_shares_its_own,
            temp_is_a_tmpfs_named_godir,
            the_usual_devices_work,
            terminals_and_shared_memory_are_those_of_the_container,
            what_is_in_memory_has_a_limit,
            exactly_these_mounts_are_inside,
        ]]);
    }
    tests
}

fn exactly_the_namespaces_of_the_stage_are_new(stage: &Stage) {
    let container = stage.start(WAIT);
    let mut new: Vec<_> = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"].into();
    new.retain(|kind| {
        probe::namespace(container.youngest(), kind) != probe::namespace(getpid(), kind)
    });
    assert_eq!(new, stage.traits.namespaces);
}

fn the_hostname_is_set_inside_and_stays_outside(stage: &Stage) {
    assert_eq!(stage.sh("hostname").ok(), "nshost\n");
    assert_eq!(stage.run(["--nshostname", "box", "-c", "hostname"]).ok(), "box\n");
    // Also while it runs: the name that the article's programs set is the host's.
    let container = stage.start(WAIT);
    assert_eq!(crate::hostname(), crate::HOSTNAME);
    drop(container);
    assert_eq!(crate::hostname(), crate::HOSTNAME);
}

fn a_hostname_of_64_bytes_is_set(stage: &Stage) {
    let name = "n".repeat(64);
    assert_eq!(stage.run(["--nshostname", &name, "-c", "hostname"]).ok().trim_end(), name);
}

fn a_hostname_of_65_bytes_is_refused(stage: &Stage) {
    let host = Snapshot::take();
    let name = "n".repeat(65);
    stage.run(["--nshostname", &name]).refused(&[&name, "at most 64 bytes", "EINVAL"]);
    host.assert_unchanged();
}

fn the_environment_is_the_one_of_the_host(stage: &Stage) {
    let output =
        Output::of(stage.command().env("HOST_SECRET", "known").args(["-c", "echo $HOST_SECRET"]));
    assert_eq!(output.ok(), "known\n");
}

fn no_variable_of_the_host_but_term_is_inside(stage: &Stage) {
    let names = |command: &mut Command| {
        // Not a real shell, which would add its own. Process 1 is as open to the container as itself.
        let environments = ["/proc/self/environ", "/proc/1/environ"];
        let seen = Output::of(command.args(["--nsshell", "/bin/cat"]).args(environments)).ok();
        let names = seen.split_terminator('\0').map(|variable| variable.split('=').next().unwrap());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort();
        names
    };
    let mut secretive = stage.command();
    secretive.env("HOST_SECRET", "known").env("RUST_LOG", "warn").env("HOME", "/home/somebody");
    assert_eq!(names(&mut secretive), ["HOME", "HOME", "PATH", "PATH", "TERM", "TERM"]);
    assert_eq!(names(stage.command().env_remove("TERM")), ["HOME", "HOME", "PATH", "PATH"]);
}

fn no_open_descriptor_reaches_the_shell(stage: &Stage) {
    // Below the limit of most systems, and far above what a program has open.
    let leak = fs::File::open("/").unwrap();
    let high = fcntl(&leak, FcntlArg::F_DUPFD(500)).unwrap();
    fcntl(&leak, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let container = stage.start(WAIT);
    let inherited = probe::descriptors(container.launcher());
    assert!(inherited.contains(&high) && inherited.contains(&leak.as_raw_fd()), "{inherited:?}");
    // The script says that it is ready before it is sleep, which opens its libraries first.
    let shell = || probe::descriptors(container.youngest());
    assert!(gets(|| shell() == [0, 1, 2]), "{:?}", shell());
    // Another process, which outlives a launcher that is killed, is about to close them.
    let leads_out = |pid, number| {
        let file = fs::read_link(format!("/proc/{pid}/fd/{number}"));
        file.is_ok_and(|file| file == Path::new("/"))
    };
    for pid in container.descendants() {
        eventually("no descriptor leads out", || {
            !probe::descriptors(pid).into_iter().any(|number| leads_out(pid, number))
        });
    }
}

fn the_shell_has_default_signals(stage: &Stage) {
    // Not a real one, which would have its own will.
    let status = stage.run(["--nsshell", "/bin/cat", "/proc/self/status"]).ok();
    let set = |name: &str| {
        let set = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        // Above the 31 standard signals are some that the C library uses for itself.
        u64::from_str_radix(set.unwrap(), 16).unwrap() & 0x7fff_ffff
    };
    assert_eq!(set("SigIgn"), 0, "none is ignored, SIGPIPE included");
    assert_eq!(set("SigBlk"), 0, "none is blocked");
    // A writer whose reader has gone ends with SIGPIPE, and not with an error.
    let script = "{ sleep 0.1; printf x; echo $? >&2; } | true; sleep 0.2";
    assert_eq!(stage.sh(script).stderr, "");
}

fn the_shell_is_process_2_and_sees_nobody_outside(stage: &Stage) {
    assert_eq!(stage.sh("echo $$ $PPID").ok(), "2 1\n");
    let seen = stage.sh("cd /proc; echo [0-9]*").ok();
    assert_eq!(seen, "1 2\n", "process 1 and the shell");
    let container = stage.start(WAIT);
    let numbers = probe::status(container.youngest(), "NSpid");
    let numbers: Vec<_> = numbers.split_whitespace().collect();
    assert_eq!(numbers, [container.youngest().to_string().as_str(), "2"]);
}

fn orphans_are_reaped(stage: &Stage) {
    // Each sleep loses its parent at once, and ends soon.
    let mut container = stage.start(
        "for i in 1 2 3 4 5; do (sleep 0.05 &); done; echo ready; sleep 0.5; echo late; exec sleep 1000",
    );
    assert_eq!(container.line(), "late");
    let ns_init = container.descendants()[0];
    eventually("process 1 has one child, the shell", || probe::children(ns_init).len() == 1);
}

fn an_orphan_may_end_by_any_signal(stage: &Stage) {
    let script = "(sh -c 'kill -40 $$' &); sleep 0.2; echo alive";
    assert_eq!(stage.sh(script).ok(), "alive\n");
}

fn a_background_job_has_a_standard_input(stage: &Stage) {
    assert_eq!(stage.sh("cat & wait $!; echo $?").ok(), "0\n");
}

fn proc_is_mounted_with_the_usual_restrictions(stage: &Stage) {
    let seen = stage.sh("grep ' /proc .* - proc ' /proc/self/mountinfo | tail -n 1").ok();
    assert!(seen.contains("rw,nosuid,nodev,noexec"), "{seen}");
    // It is a new one: proc_pid_mountinfo(5) has the device in the third column.
    let device = |line: &str| line.split(' ').nth(2).unwrap().to_owned();
    let outside = probe::read(getpid(), "mountinfo");
    let outside = outside.lines().rev().find(|line| line.contains(" /proc ")).unwrap();
    assert_ne!(device(&seen), device(outside));
}

fn mounts_show_up_inside_and_not_on_a_host_that_shares_its_own(stage: &Stage) {
    let root = probe::read(getpid(), "mountinfo");
    let is_root = |line: &str| line.split(' ').nth(4) == Some("/");
    assert!(root.lines().any(|line| is_root(line) && line.contains(" shared:")), "{root}");
    let container = stage.start("touch /temp/mine /dev/mine; echo ready; exec sleep 1000");
    assert_eq!(probe::read(getpid(), "mountinfo"), root);
    for directory in ["temp", "dev"] {
        let outside = Path::new(rootfs::DEFAULT).join(directory);
        assert!(!outside.join("mine").exists(), "{} is the host's", outside.display());
    }
    let mounts = probe::mounts(container.youngest());
    assert!(mounts.contains(&"godir /temp tmpfs".into()), "{mounts:?}");
}

fn temp_is_a_tmpfs_named_godir(stage: &Stage) {
    assert_eq!(stage.sh("ls -A /temp").ok(), "");
    let seen = stage.sh("grep godir /proc/mounts; touch /temp/file && ls /temp").ok();
    assert!(seen.starts_with("godir /temp tmpfs rw") && seen.ends_with("\nfile\n"), "{seen}");
}

fn the_usual_devices_work(stage: &Stage) {
    stage.sh("echo gone >/dev/null; test ! -s /dev/null").ok();
    assert_eq!(stage.sh("head -c 3 /dev/zero | tr '\\0' z").ok(), "zzz");
    assert_eq!(stage.sh("head -c 9 /dev/random /dev/urandom >/temp/r; echo $?").ok(), "0\n");
    assert_ne!(stage.sh("echo x >/dev/full").code, 0);
    assert_eq!(stage.sh("echo x | cat /dev/stdin /dev/fd/0 >/dev/stdout").ok(), "x\n");
    let mut expected = vec![
        "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
        "urandom", "zero",
    ];
    if stage.traits.has("ipc") {
        expected.insert(2, "mqueue");
    }
    assert_eq!(stage.sh("ls /dev").ok().lines().collect::<Vec<_>>(), expected);
}

fn terminals_and_shared_memory_are_those_of_the_container(stage: &Stage) {
    // The first terminal of a new devpts has the number 0: ptmx(4).
    assert_eq!(stage.sh("exec 3<>/dev/ptmx && ls /dev/pts").ok(), "0\nptmx\n");
    assert_eq!(stage.sh("echo shared >/dev/shm/x && cat /dev/shm/*").ok(), "shared\n");
    // For everybody in there, and not only for root.
    let container = stage.start(WAIT);
    assert_eq!(container.mode("/dev/pts/ptmx"), "666");
    assert_eq!(container.mode("/dev/shm"), "1777");
}

fn what_is_in_memory_has_a_limit(stage: &Stage) {
    let container = stage.start(WAIT);
    for mount in probe::mounts(container.youngest()) {
        let [_, target, "tmpfs"] = mount.split(' ').collect::<Vec<_>>()[..] else { continue };
        if target == "/" {
            continue;
        }
        let inside = format!("/proc/{}/root{target}", container.youngest());
        let size = nix::sys::statvfs::statvfs(inside.as_str()).unwrap();
        let bytes = size.blocks() as u64 * size.fragment_size() as u64;
        assert!((1..=64 << 20).contains(&bytes), "{target}: {bytes} bytes");
    }
}

fn exactly_these_mounts_are_inside(stage: &Stage) {
    let container = stage.start(WAIT);
    let mounts = probe::mounts(container.youngest());
    let mut targets: Vec<_> = mounts.iter().filter_map(|mount| mount.split(' ').nth(1)).collect();
    targets.sort();
    let queues: &[&str] = if stage.traits.has("ipc") { &["/dev/mqueue"] } else { &[] };
    let devices = ["/dev/random", "/dev/shm", "/dev/tty", "/dev/urandom", "/dev/zero"];
    let first = ["/", "/dev", "/dev/full"];
    let expected =
        [&first, queues, &["/dev/null", "/dev/pts"], &devices, &["/proc", "/temp"]].concat();
    assert_eq!(targets, expected);
}

fn a_directory_as_standard_input_output_or_error_is_refused(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    let open = |flags| OpenOptions::new().read(true).custom_flags(flags).open("/etc").unwrap();
    for flags in [0, libc::O_PATH] {
        let mut command = stage.command();
        command.args(["-c", "cat /proc/self/fd/0/../etc/hostname"]).stdin(open(flags));
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let output = Output { code: output.status.code().unwrap(), stdout: String::new(), stderr };
        let line = output.refused(&["standard input is a directory", "#standard-directory"]);
        // An ordinary user's throw-away host is like a container, whose root needs no other user namespace.
        let ways: &[&str] = if stage.who == As::Rootless { &["rootless", "run"] } else { &["run"] };
        let advice = &advised(&line)[0];
        let is = |way: &&str| *advice == format!("cargo {way} -p {} </dev/null", stage.package());
        assert!(ways.iter().any(is), "{advice}");
    }
    let output = Output::of(stage.command().args(["-c", "true"]).stderr(open(0)));
    assert_eq!(output.code, 1, "nobody can read why");
    host.assert_unchanged();
}

fn a_current_directory_that_may_not_be_entered_is_no_obstacle(stage: &Stage) {
    stage.sh("true").ok();
    let host = Snapshot::take();
    // (Root may enter any.)
    let script = "mkdir /tmp/closed; cd /tmp/closed; chmod 0 .; exec \"$0\" -c 'exit 7'";
    let output = Output::of(Command::new("sh").args(["-c", script]).arg(&stage.program));
    assert_eq!((output.code, output.stderr.as_str()), (7, ""), "{output:#?}");
    fs::remove_dir("/tmp/closed").unwrap();
    host.assert_unchanged();
}
