//! The tests that every stage has to pass, from the stage on that promises what they are about.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::unistd::{Pid, getpid};

use common::rootfs;

use crate::snapshot::Snapshot;
use crate::terminal::Terminal;
use crate::{As, Container, Output, Stage, Test, advised, eventually, gets, need, probe, tests};

/// Returns the tests for stage number `stage`.
pub fn tests(stage: u8) -> Vec<Test> {
    if env::var_os("TEST_OWN_ONLY").is_some() {
        return Vec::new();
    }
    // From stage 05 on the stage itself makes an ordinary user root.
    let who: &[As] = if stage < 5 { &[As::Root, As::Rootless] } else { &[As::Root, As::User] };
    let mut tests = tests![who => [
        the_exit_status_is_the_one_of_the_shell,
        any_signal_that_ends_the_shell_is_in_the_exit_status,
        a_program_that_poses_as_ns_init_starts_at_the_start,
        an_option_that_is_not_ours_is_refused,
        arguments_reach_the_shell_with_or_without_two_dashes,
        exactly_the_namespaces_of_the_stage_are_new,
        the_host_is_as_before_after_an_exit,
        the_host_is_as_before_after_sigterm,
        the_host_is_as_before_after_sighup,
        the_host_is_as_before_after_sigterm_at_any_moment,
        control_c_at_any_moment_ends_the_start,
        sigint_is_for_the_job_and_not_for_the_launcher,
        a_launcher_under_nohup_outlives_sighup,
        a_caller_that_ignores_sigchld_gets_the_exit_status,
        a_shell_dies_with_a_launcher_that_is_killed,
        no_open_descriptor_reaches_the_shell,
        the_shell_has_default_signals,
        a_shell_that_does_not_exist_is_named,
        a_shell_that_cannot_be_executed_is_named,
        an_unknown_log_level_is_no_obstacle,
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
    ]];
    tests.extend(tests![&[As::Root] => [id_maps_are_never_written_to_a_stranger]]);
    if stage < 5 {
        tests.extend(tests![&[As::User] => [an_ordinary_user_is_told_what_to_type]]);
    }
    if stage >= 2 {
        tests.extend(tests![who => [
            the_hostname_is_set_inside_and_stays_outside,
            a_hostname_of_64_bytes_is_set,
            a_hostname_of_65_bytes_is_refused,
        ]]);
    }
    if stage < 3 {
        tests.extend(tests![who => [the_environment_is_the_one_of_the_host]]);
    } else {
        tests.extend(tests![who => [
            no_variable_of_the_host_but_term_is_inside,
            the_shell_is_process_2_and_sees_nobody_outside,
            orphans_are_reaped,
            an_orphan_may_end_by_any_signal,
            proc_is_mounted_with_the_usual_restrictions,
            a_job_left_behind_dies_with_the_shell,
            a_killed_launcher_takes_all_along,
            process_1_can_be_asked_to_end_from_inside,
            a_background_job_has_a_standard_input,
            a_missing_root_directory_is_made,
            a_missing_root_directory_of_the_readers_own_is_refused,
            a_root_directory_that_is_a_file_is_refused,
            an_empty_root_directory_is_refused_with_the_command_that_helps,
            a_root_directory_that_others_can_write_to_is_refused,
            a_root_directory_that_others_can_rename_is_refused,
            a_root_directory_with_a_link_for_a_mount_point_is_refused,
            the_root_directory_of_the_host_is_refused,
            a_default_root_directory_that_is_not_whole_is_refused_with_the_command_that_helps,
            a_root_directory_is_readable_whatever_the_umask,
        ]]);
        // Whom a file belongs to cannot be changed without root.
        tests.extend(tests![&[As::Root] => [
            a_root_directory_of_somebody_else_is_refused,
            a_root_directory_that_a_group_can_write_to_is_refused,
            a_root_directory_in_one_of_somebody_else_is_refused,
            a_default_root_directory_that_is_a_link_of_somebody_else_is_left_alone,
            a_default_root_directory_of_somebody_else_is_left_alone,
            a_root_directory_of_who_has_called_sudo_is_used,
            a_root_directory_mounted_noexec_is_refused,
        ]]);
    }
    if stage >= 4 {
        tests.extend(tests![who => [
            mounts_show_up_inside_and_not_on_a_host_that_shares_its_own,
            temp_is_a_tmpfs_named_godir,
            the_usual_devices_work,
            the_host_is_as_before_after_sigkill_at_any_moment,
            exactly_these_mounts_are_inside,
        ]]);
    }
    tests
}

/// A script that says so when it runs, and then waits, without a child.
const WAIT: &str = "echo ready; exec sleep 1000";

/// Asserts that the stage has left no process: all there are now were there `before`.
#[track_caller]
fn assert_no_process_but(before: &[Pid]) {
    let left = || -> Vec<_> {
        let mut processes = probe::processes();
        processes.retain(|pid| !before.contains(pid));
        processes.into_iter().map(|pid| (pid, probe::read(pid, "cmdline"))).collect()
    };
    if !gets(|| left().is_empty()) {
        panic!("these processes have not ended: {:?}", left());
    }
}

fn the_exit_status_is_the_one_of_the_shell(stage: &Stage) {
    assert_eq!(stage.sh("exit 0").code, 0);
    assert_eq!(stage.sh("exit 7").code, 7);
    assert_eq!(stage.sh("exit 255").code, 255);
    assert_eq!(stage.sh("kill -9 $$").code, 137);
    assert_eq!(stage.sh("kill -15 $$").code, 143);
}

fn an_option_that_is_not_ours_is_refused(stage: &Stage) {
    let host = Snapshot::take();
    for args in [&["--no-such-option"][..], &["--nsshell"], &["--nsshell", ""], &["-x", "true"]] {
        let output = stage.run(args);
        assert!(output.code == 2 && output.stderr.contains(args[0]), "{args:?}: {output:#?}");
    }
    host.assert_unchanged();
}

fn arguments_reach_the_shell_with_or_without_two_dashes(stage: &Stage) {
    let script = r#"printf '<%s>' "$@""#;
    assert_eq!(stage.run(["-c", script, "sh", "a b", "--", "-x"]).ok(), "<a b><--><-x>");
    assert_eq!(stage.run(["--", "-c", script, "sh", "--nsshell", ""]).ok(), "<--nsshell><>");
    assert_eq!(stage.run(["--nsshell=/bin/sh", "-c", script, "sh", "--help"]).ok(), "<--help>");
}

fn any_signal_that_ends_the_shell_is_in_the_exit_status(stage: &Stage) {
    for signal in [1, 2, 9, 15, 34, 40, 64] {
        let output = stage.sh(&format!("kill -{signal} $$; sleep 1"));
        assert_eq!((output.code, output.stderr.as_str()), (128 + signal, ""), "signal {signal}");
    }
}

fn a_program_that_poses_as_ns_init_starts_at_the_start(stage: &Stage) {
    use std::os::unix::process::CommandExt;
    let host = Snapshot::take();
    let output =
        Output::of(stage.command().arg0("ns_init").args(["-c", "readlink /proc/self/ns/uts"]));
    assert_ne!(Path::new(output.ok().trim()), probe::namespace(getpid(), "uts"));
    // Neither does a caller with signals blocked, or with a socket of its own as descriptor 3.
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.send(b"ns_init").unwrap();
    let theirs = theirs.as_raw_fd();
    let mut command = stage.command();
    command.arg0("ns_init").args(["-c", "readlink /proc/self/ns/uts"]);
    // SAFETY: both calls are async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            SigSet::all().thread_block()?;
            Errno::result(libc::dup2(theirs, 3)).map(drop).map_err(Into::into)
        });
    }
    let output = Output::of(&mut command);
    assert_ne!(Path::new(output.ok().trim()), probe::namespace(getpid(), "uts"));
    host.assert_unchanged();
}

fn id_maps_are_never_written_to_a_stranger(stage: &Stage) {
    let host = Snapshot::take();
    // In a new PID namespace, /proc/PID of the old one is another process, if it is any.
    let started = |options: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork"]).args(options).arg(&stage.program);
        Output::of(command.args(["-c", "echo it runs"]))
    };
    if stage.number < 5 {
        assert_eq!(started(&[]).ok(), "it runs\n", "there are no maps");
    } else {
        started(&[]).refused(&["find this process in /proc", "`unshare --mount-proc cargo run"]);
    }
    assert_eq!(started(&["--mount-proc"]).ok(), "it runs\n");
    host.assert_unchanged();
}

fn exactly_the_namespaces_of_the_stage_are_new(stage: &Stage) {
    let container = stage.start(WAIT);
    let mut new: Vec<_> = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"].into();
    new.retain(|kind| {
        probe::namespace(container.youngest(), kind) != probe::namespace(getpid(), kind)
    });
    let expected: &[&str] = match stage.number {
        1 | 2 => &["uts"],
        3 => &["pid", "uts"],
        4 => &["mnt", "pid", "uts"],
        5 => &["mnt", "pid", "user", "uts"],
        6 => &["mnt", "net", "pid", "user", "uts"],
        7 => &["ipc", "mnt", "net", "pid", "user", "uts"],
        _ => &["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"],
    };
    assert_eq!(new, expected);
}

fn the_host_is_as_before_after_an_exit(stage: &Stage) {
    let (host, processes) = (Snapshot::take(), probe::processes());
    stage.sh("true").ok();
    host.assert_unchanged();
    assert_eq!(stage.sh("kill -9 $$").code, 137);
    host.assert_unchanged();
    assert_no_process_but(&processes);
}

fn the_host_is_as_before_after_sigterm(stage: &Stage) {
    assert_unchanged_after(stage, Signal::SIGTERM);
}

fn the_host_is_as_before_after_sighup(stage: &Stage) {
    assert_unchanged_after(stage, Signal::SIGHUP);
}

#[track_caller]
fn assert_unchanged_after(stage: &Stage, signal: Signal) {
    let (host, processes) = (Snapshot::take(), probe::processes());
    // An interactive shell would ignore SIGTERM, and this one does.
    let container = stage.start("trap '' TERM HUP; echo ready; exec sleep 1000");
    container.signal(signal);
    assert_eq!(container.wait(), 137, "the shell is killed, and the launcher says so");
    host.assert_unchanged();
    assert_no_process_but(&processes);
}

/// Starts the stage again and again, with a script that does not end, and sends it a signal at moments from
/// before its first instruction to when the script runs. Returns the exit statuses.
fn statuses_at_any_moment(stage: &Stage, end: impl Fn(Pid)) -> Vec<i32> {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    stage.sh("true").ok();
    let start = Instant::now();
    stage.sh("true").ok();
    let whole_start = start.elapsed();
    let (host, processes) = (Snapshot::take(), probe::processes());
    let mut statuses = Vec::new();
    for step in 0..60 {
        let mut command = stage.command();
        let mut launcher =
            command.args(["-c", "exec sleep 1000"]).process_group(0).spawn().unwrap();
        thread::sleep(whole_start * step / 30);
        end(Pid::from_raw(launcher.id() as i32));
        let mut status = None;
        assert!(gets(|| {
            status = launcher.try_wait().unwrap();
            status.is_some()
        }));
        statuses.push(super::harness::shell_code(status.unwrap()));
        assert_no_process_but(&processes);
        // What a killed launcher leaves, a bridge of root's or a cgroup, is for the next start to remove.
        let killed = status.unwrap().signal() == Some(Signal::SIGKILL as i32);
        let leaves = stage.number >= 8 || stage.number >= 6 && stage.who != As::User;
        if !killed || !leaves {
            eventually("the host is as before", || host.changes().is_empty());
        }
    }
    statuses
}

fn the_host_is_as_before_after_sigterm_at_any_moment(stage: &Stage) {
    let statuses = statuses_at_any_moment(stage, |pid| kill(pid, Signal::SIGTERM).unwrap());
    assert!(statuses.contains(&143), "one has hit before there was anything to clean up");
    assert!(statuses.contains(&137), "one has hit a container that ran");
}

fn control_c_at_any_moment_ends_the_start(stage: &Stage) {
    // As the terminal sends it: to the whole process group.
    let statuses = statuses_at_any_moment(stage, |pid| killpg(pid, Signal::SIGINT).unwrap());
    assert!(statuses.iter().all(|status| [130, 137].contains(status)), "{statuses:?}");
}

fn the_host_is_as_before_after_sigkill_at_any_moment(stage: &Stage) {
    let host = Snapshot::take();
    let statuses = statuses_at_any_moment(stage, |pid| kill(pid, Signal::SIGKILL).unwrap());
    assert!(statuses.iter().all(|status| *status == 137));
    if stage.number >= 6 {
        // A killed launcher can leave a bridge, which the next start takes for its own. It stays as long as
        // there is a cable on it, and the kernel takes its time to remove those of the killed.
        let devices = || probe::read(getpid(), "net/dev");
        eventually("no cable is left", || !devices().contains("veth"));
        stage.sh("true").ok();
    }
    eventually("the host is as before", || host.changes().is_empty());
}

fn sigint_is_for_the_job_and_not_for_the_launcher(stage: &Stage) {
    let mut container = stage.start("echo ready; sleep 1; echo still here; exit 3");
    // The launcher learns that the shell runs a moment after the shell does.
    thread::sleep(Duration::from_millis(500));
    container.signal(Signal::SIGINT);
    container.signal(Signal::SIGQUIT);
    assert_eq!(container.line(), "still here");
    assert_eq!(container.wait(), 3);
}

fn a_launcher_under_nohup_outlives_sighup(stage: &Stage) {
    let mut container = Container::start(
        Command::new("sh")
            .args(["-c", r#"trap '' HUP; exec "$0" -c 'echo ready; sleep 0.2; echo still here'"#])
            .arg(&stage.program),
    );
    container.signal(Signal::SIGHUP);
    assert_eq!(container.line(), "still here");
    assert_eq!(container.wait(), 0);
}

fn a_caller_that_ignores_sigchld_gets_the_exit_status(stage: &Stage) {
    need("bash");
    // Without the making of a root directory, which waits for children of its own.
    stage.sh("true").ok();
    let caller = r#"trap '' CHLD; exec "$0" -c 'exit 5'"#;
    let output = Output::of(Command::new("bash").args(["-c", caller]).arg(&stage.program));
    assert_eq!(output.code, 5, "{output:#?}");
}

fn a_shell_dies_with_a_launcher_that_is_killed(stage: &Stage) {
    let processes = probe::processes();
    let container = stage.start(WAIT);
    container.signal(Signal::SIGKILL);
    assert_eq!(container.wait(), 137);
    assert_no_process_but(&processes);
}

fn a_killed_launcher_takes_all_along(stage: &Stage) {
    let processes = probe::processes();
    let container = stage.start("sleep 1000 & sleep 1000 & echo ready; wait");
    assert!(container.descendants().len() >= 4, "ns_init, shell and two jobs");
    container.signal(Signal::SIGKILL);
    assert_eq!(container.wait(), 137);
    assert_no_process_but(&processes);
    if stage.number == 3 {
        // All that a killed launcher can leave: this proc is among the host's mounts.
        let mounts = probe::mounts(getpid()).join("\n");
        assert!(mounts.contains("proc /tmp/busybox/proc proc"), "{mounts}");
        stage.sh("true").ok();
    }
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
    for pid in container.descendants() {
        for number in probe::descriptors(pid) {
            match fs::read_link(format!("/proc/{pid}/fd/{number}")) {
                Ok(file) => assert_ne!(file, Path::new("/"), "descriptor {number} of {pid}"),
                // `ns_init` closes the pipe of its child's exec at that very moment.
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
            }
        }
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

fn a_shell_that_does_not_exist_is_named(stage: &Stage) {
    let host = Snapshot::take();
    stage.run(["--nsshell", "/bin/no-such-shell"]).refused(&["/bin/no-such-shell", "ENOENT"]);
    host.assert_unchanged();
}

fn a_shell_that_cannot_be_executed_is_named(stage: &Stage) {
    let host = Snapshot::take();
    stage.run(["--nsshell", "/etc/passwd"]).refused(&["/etc/passwd", "EACCES", "executable"]);
    host.assert_unchanged();
}

fn an_unknown_log_level_is_no_obstacle(stage: &Stage) {
    assert_eq!(
        Output::of(stage.command().env("RUST_LOG", "nonsense").args(["-c", "true"])).ok(),
        ""
    );
    let output = Output::of(stage.command().env("RUST_LOG", "debug").args(["-c", "true"]));
    assert!(output.stdout.is_empty() && output.stderr.contains("CLONE_NEWUTS"), "{output:#?}");
}

fn an_ordinary_user_is_told_what_to_type(stage: &Stage) {
    let host = Snapshot::take();
    // Stages 03 and 04 make the root directory first.
    let package = stage.program.file_name().unwrap().to_str().unwrap();
    let package = package.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-');
    stage.sh("true").refused(&[
        "CLONE_NEWUTS",
        "EPERM",
        &format!("cargo as-root -p {package}"),
        &format!("cargo rootless -p {package}"),
    ]);
    host.assert_unchanged();
}

fn the_hostname_is_set_inside_and_stays_outside(stage: &Stage) {
    assert_eq!(stage.sh("hostname").ok(), "nshost\n");
    assert_eq!(stage.run(["--nshostname", "box", "-c", "hostname"]).ok(), "box\n");
    // Also while it runs: the name that the article's programs set is the host's.
    let container = stage.start(WAIT);
    assert_eq!(super::hostname(), super::HOSTNAME);
    drop(container);
    assert_eq!(super::hostname(), super::HOSTNAME);
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

fn a_job_left_behind_dies_with_the_shell(stage: &Stage) {
    let (host, processes) = (Snapshot::take(), probe::processes());
    // At work in /proc, so that it is busy: umount(2), EBUSY.
    assert_eq!(stage.sh("cd /proc; sleep 1000 >&- 2>&- & exit 4").code, 4);
    host.assert_unchanged();
    assert_no_process_but(&processes);
}

fn process_1_can_be_asked_to_end_from_inside(stage: &Stage) {
    let host = Snapshot::take();
    assert_eq!(stage.sh("kill -TERM 1; exec sleep 1000").code, 137);
    host.assert_unchanged();
}

fn a_background_job_has_a_standard_input(stage: &Stage) {
    assert_eq!(stage.sh("cat & wait $!; echo $?").ok(), "0\n");
}

fn a_missing_root_directory_is_made(stage: &Stage) {
    assert!(!Path::new(rootfs::DEFAULT).exists());
    stage.sh("true").ok();
    assert!(Path::new(rootfs::DEFAULT).join("bin/sh").exists());
    let left: Vec<_> =
        fs::read_dir("/tmp").unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the root directory and the program: {left:?}");
}

/// Runs the stage on `rootfs`, and asserts that it refuses, with these words, and leaves nothing.
#[track_caller]
fn refuses_rootfs(stage: &Stage, rootfs: &str, words: &[&str]) {
    let (host, processes) = (Snapshot::take(), probe::processes());
    let line = stage.run(["--rootfs", rootfs, "-c", "true"]).refused(words);
    assert!(line.contains(rootfs), "does not name {rootfs}: {line}");
    host.assert_unchanged();
    assert_no_process_but(&processes);
}

fn a_missing_root_directory_of_the_readers_own_is_refused(stage: &Stage) {
    refuses_rootfs(stage, "/tmp/no-such-directory", &["No such file"]);
    assert!(!Path::new("/tmp/no-such-directory").exists());
}

fn a_root_directory_that_is_a_file_is_refused(stage: &Stage) {
    fs::write("/tmp/file", "").unwrap();
    refuses_rootfs(stage, "/tmp/file", &["not a directory"]);
}

fn an_empty_root_directory_is_refused_with_the_command_that_helps(stage: &Stage) {
    fs::create_dir("/tmp/empty").unwrap();
    let host = Snapshot::take();
    let line =
        stage.run(["--rootfs", "/tmp/empty"]).refused(&["mount point", "mkdir /tmp/empty/proc"]);
    host.assert_unchanged();
    Output::of(Command::new("sh").args(["-c", &advised(&line)[0]])).ok();
    // Now it has all mount points, and still no shell.
    stage.run(["--rootfs", "/tmp/empty"]).refused(&["/bin/sh", "ENOENT"]);
    host.assert_unchanged();
}

fn a_root_directory_that_others_can_write_to_is_refused(stage: &Stage) {
    stage.sh("true").ok();
    set_mode(rootfs::DEFAULT, 0o757);
    refuses_rootfs(stage, rootfs::DEFAULT, &["writable by other users", "chmod go-w"]);
    set_mode(rootfs::DEFAULT, 0o755);
    stage.sh("true").ok();
}

fn a_root_directory_that_others_can_rename_is_refused(stage: &Stage) {
    stage.sh("true").ok();
    fs::create_dir("/tmp/open").unwrap();
    fs::rename(rootfs::DEFAULT, "/tmp/open/root").unwrap();
    set_mode("/tmp/open", 0o777);
    refuses_rootfs(stage, "/tmp/open/root", &["rename", "/tmp/open"]);
    set_mode("/tmp/open", 0o1777);
    stage.run(["--rootfs", "/tmp/open/root", "-c", "true"]).ok();
}

fn set_mode(path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// An ordinary user who is not the caller.
const SOMEBODY: u32 = 4711;

fn give_away(path: &str) {
    std::os::unix::fs::chown(path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
}

fn a_root_directory_of_somebody_else_is_refused(stage: &Stage) {
    stage.sh("true").ok();
    fs::rename(rootfs::DEFAULT, "/tmp/theirs").unwrap();
    give_away("/tmp/theirs");
    refuses_rootfs(stage, "/tmp/theirs", &["another user (id 4711)", "cp -r /tmp/theirs"]);
}

fn a_default_root_directory_of_somebody_else_is_left_alone(stage: &Stage) {
    fs::create_dir(rootfs::DEFAULT).unwrap();
    give_away(rootfs::DEFAULT);
    let output = stage.sh("echo made");
    assert_eq!((output.code, output.stdout.as_str()), (0, "made\n"), "{output:#?}");
    assert!(output.stderr.contains("belongs to another user: using /tmp/busybox-0"));
    assert_eq!(output.stderr.lines().count(), 1);
    assert_eq!(fs::read_dir(rootfs::DEFAULT).unwrap().count(), 0);
    give_away("/tmp/busybox-0");
    refuses_rootfs(stage, "/tmp/busybox-0", &["another user"]);
    let output = stage.sh("true");
    assert!(
        output.code == 1 && output.stderr.contains("name your own with --rootfs"),
        "{output:#?}"
    );
}

fn a_root_directory_of_who_has_called_sudo_is_used(stage: &Stage) {
    stage.sh("true").ok();
    give_away(rootfs::DEFAULT);
    let sudo = |uid: &str| Output::of(stage.command().env("SUDO_UID", uid).args(["-c", "true"]));
    sudo("4711").ok();
    assert!(!Path::new("/tmp/busybox-0").exists());
    assert!(sudo("4712").stderr.contains("belongs to another user"));
}

fn a_root_directory_mounted_noexec_is_refused(stage: &Stage) {
    Output::of(Command::new("mount").args(["-o", "remount,noexec", "/tmp"])).ok();
    // The program itself is below.
    Output::of(Command::new("mount").args(["--bind", "/tmp/under-test", "/tmp/under-test"])).ok();
    Output::of(Command::new("mount").args(["-o", "remount,bind,exec", "/tmp/under-test"])).ok();
    refuses_rootfs(stage, rootfs::DEFAULT, &["noexec", "--rootfs ~/busybox"]);
}

fn mounts_show_up_inside_and_not_on_a_host_that_shares_its_own(stage: &Stage) {
    let root = probe::read(getpid(), "mountinfo");
    assert!(root.lines().any(|line| line.contains(" / / ") && line.contains(" shared:")), "{root}");
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
    let mut expected =
        vec!["fd", "full", "null", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero"];
    if stage.number >= 7 {
        expected.insert(2, "mqueue");
    }
    assert_eq!(stage.sh("ls /dev").ok().lines().collect::<Vec<_>>(), expected);
}

fn exactly_these_mounts_are_inside(stage: &Stage) {
    let container = stage.start(WAIT);
    let mounts = probe::mounts(container.youngest());
    let mut targets: Vec<_> = mounts.iter().filter_map(|mount| mount.split(' ').nth(1)).collect();
    targets.sort();
    let queues: &[&str] = if stage.number >= 7 { &["/dev/mqueue"] } else { &[] };
    let devices = ["/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];
    let expected = [&["/", "/dev", "/dev/full"], queues, &devices, &["/proc", "/temp"]].concat();
    assert_eq!(targets, expected);
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

/// Starts an interactive bash on a terminal, which has the stage's program in `$STAGE`.
fn in_bash(stage: &Stage) -> Terminal {
    need("bash");
    let mut terminal = Terminal::run(
        stage,
        "STAGE=$0; export STAGE; PS1='outside$ ' exec bash --norc --noprofile --noediting -i",
    );
    terminal.see("outside$ ");
    terminal
}

fn a_start_in_the_background_waits_for_the_foreground(stage: &Stage) {
    if stage.number < 3 {
        // There the shell sees for itself that it is in the background.
        return;
    }
    stage.sh("true").ok();
    let mut terminal = in_bash(stage);
    terminal.ask("$STAGE &", "outside$ ");
    thread::sleep(Duration::from_millis(500));
    terminal.ask("hostname", super::HOSTNAME);
    terminal.ask("jobs", "Stopped");
    terminal.ask("fg", "# ");
    terminal.ask("hostname", "nshost");
    terminal.ask("exit 3", "outside$ ");
    terminal.ask("echo status $?", "status 3");
    terminal.enter("exit");
    terminal.wait();
}

fn control_z_stops_a_program_without_job_control(stage: &Stage) {
    stage.sh("true").ok();
    let mut terminal = in_bash(stage);
    terminal.enter("$STAGE --nsshell /bin/cat");
    terminal.ask("word", "word");
    terminal.control('z');
    terminal.see("Stopped");
    terminal.ask("fg", "cat");
    terminal.ask("more", "more");
    terminal.control('c');
    terminal.see("outside$ ");
    terminal.ask("echo status $?", "status 130");
    terminal.enter("exit");
    terminal.wait();
}

fn the_terminal_is_dev_tty(stage: &Stage) {
    if stage.number == 3 {
        // It has no devices: stage 04 binds them.
        return;
    }
    let mut terminal = Terminal::run(stage, "$0 -c 'echo se''en >/dev/tty' >/tmp/log");
    terminal.see("seen");
}

fn an_orphan_may_end_by_any_signal(stage: &Stage) {
    let script = "(sh -c 'kill -40 $$' &); sleep 0.2; echo alive";
    assert_eq!(stage.sh(script).ok(), "alive\n");
}

fn proc_is_mounted_with_the_usual_restrictions(stage: &Stage) {
    let seen = stage.sh("grep ' /proc proc' /proc/mounts | tail -n 1").ok();
    assert!(seen.contains("rw,nosuid,nodev,noexec"), "{seen}");
}

fn a_root_directory_with_a_link_for_a_mount_point_is_refused(stage: &Stage) {
    stage.sh("true").ok();
    fs::rename(rootfs::DEFAULT, "/tmp/root").unwrap();
    fs::remove_dir("/tmp/root/proc").unwrap();
    std::os::unix::fs::symlink("/proc", "/tmp/root/proc").unwrap();
    refuses_rootfs(stage, "/tmp/root", &["mount point is missing", "/tmp/root/proc"]);
}

fn the_root_directory_of_the_host_is_refused(stage: &Stage) {
    refuses_rootfs(stage, "/", &["root directory of the host"]);
}

fn a_default_root_directory_that_is_not_whole_is_refused_with_the_command_that_helps(
    stage: &Stage,
) {
    stage.sh("true").ok();
    fs::remove_file("/tmp/busybox/bin/sh").unwrap();
    let line = stage.sh("true").refused(&["not whole", "rm -r /tmp/busybox"]);
    Output::of(Command::new("sh").args(["-c", &advised(&line)[0]])).ok();
    stage.sh("true").ok();
}

fn a_root_directory_is_readable_whatever_the_umask(stage: &Stage) {
    for mask in ["077", "777", "000"] {
        let script = format!("umask {mask}; exec \"$0\" -c true");
        Output::of(Command::new("sh").args(["-c", &script]).arg(&stage.program)).ok();
        for path in ["", "bin", "bin/sh", "proc", "etc/passwd"] {
            let mode = fs::metadata(Path::new(rootfs::DEFAULT).join(path)).unwrap().mode();
            assert_eq!(mode & 0o444, 0o444, "{path} with umask {mask}");
            assert_eq!(mode & 0o022, 0, "{path} with umask {mask}");
        }
        fs::remove_dir_all(rootfs::DEFAULT).unwrap();
    }
}

fn a_root_directory_that_a_group_can_write_to_is_refused(stage: &Stage) {
    stage.sh("true").ok();
    set_mode(rootfs::DEFAULT, 0o775);
    stage.sh("true").ok();
    std::os::unix::fs::chown(rootfs::DEFAULT, None, Some(SOMEBODY)).unwrap();
    refuses_rootfs(stage, rootfs::DEFAULT, &["writable by other users"]);
}

fn a_root_directory_in_one_of_somebody_else_is_refused(stage: &Stage) {
    stage.sh("true").ok();
    fs::create_dir("/tmp/theirs").unwrap();
    fs::rename(rootfs::DEFAULT, "/tmp/theirs/root").unwrap();
    give_away("/tmp/theirs");
    refuses_rootfs(stage, "/tmp/theirs/root", &["another user can rename it in /tmp/theirs"]);
}

fn a_default_root_directory_that_is_a_link_of_somebody_else_is_left_alone(stage: &Stage) {
    stage.sh("true").ok();
    fs::rename(rootfs::DEFAULT, "/tmp/root").unwrap();
    std::os::unix::fs::symlink("/tmp/root", rootfs::DEFAULT).unwrap();
    std::os::unix::fs::lchown(rootfs::DEFAULT, Some(SOMEBODY), None).unwrap();
    assert!(stage.sh("true").stderr.contains("using /tmp/busybox-0"));
    assert!(Path::new("/tmp/busybox-0/bin/sh").exists());
}
