//! What the command line can say, and what is said to it.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::SigSet;
use nix::unistd::getpid;

use super::assert_no_process_but;
use crate::snapshot::Snapshot;
use crate::{As, Output, Stage, Test, Traits, advised, probe, tests, with_sudo};

/// Returns the tests for a stage of these traits.
pub fn tests(traits: &Traits) -> Vec<Test> {
    let mut tests = tests![traits.users() => [
        an_option_that_is_not_ours_is_refused,
        arguments_reach_the_shell_with_or_without_two_dashes,
        a_program_that_poses_as_ns_init_starts_at_the_start,
        a_shell_that_does_not_exist_is_named,
        a_shell_that_cannot_be_executed_is_named,
        an_unknown_log_level_is_no_obstacle,
        an_error_that_cannot_be_written_is_still_in_the_exit_status,
        a_log_that_may_grow_no_more_is_no_obstacle,
        a_few_open_files_are_enough,
        unshare_with_a_pid_namespace_and_without_fork_is_refused_and_with_fork_it_runs,
    ], &[As::Root] => [id_maps_are_never_written_to_a_stranger]];
    if !traits.has("user") {
        tests.extend(tests![&[As::User] => [an_ordinary_user_is_told_what_to_type]]);
    }
    tests
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
    if !stage.traits.has("user") {
        assert_eq!(started(&[]).ok(), "it runs\n", "there are no maps");
    } else {
        started(&[]).refused(&["find this process in /proc", "`unshare --mount-proc cargo run"]);
    }
    assert_eq!(started(&["--mount-proc"]).ok(), "it runs\n");
    host.assert_unchanged();
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

fn an_error_that_cannot_be_written_is_still_in_the_exit_status(stage: &Stage) {
    // A full disk, a pipe that nobody reads, and nothing at all.
    for stderr in ["2>/dev/full", "2>&1 >/dev/null | true", "2>&-"] {
        let script = format!("(\"$0\" --nsshell /nope; echo $? >/tmp/status) {stderr}");
        Output::of(Command::new("sh").args(["-c", &script]).arg(&stage.program));
        assert!(crate::gets(
            || fs::read_to_string("/tmp/status").is_ok_and(|text| !text.is_empty())
        ));
        assert_eq!(fs::read_to_string("/tmp/status").unwrap(), "1\n", "{stderr}");
        fs::remove_file("/tmp/status").unwrap();
    }
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
    let package = stage.package();
    stage.sh("true").refused(&[
        "CLONE_NEWUTS",
        "EPERM",
        with_sudo(&format!("cargo as-root -p {package}")),
        &format!("cargo rootless -p {package}"),
    ]);
    host.assert_unchanged();
}

fn a_log_that_may_grow_no_more_is_no_obstacle(stage: &Stage) {
    stage.sh("true").ok();
    fs::write("/tmp/log", "longer than nothing").unwrap();
    for (args, code) in [("-c 'exit 7'", 7), ("--nsshell /nope", 1), ("--no-such-option", 2)] {
        // The signal of such a write is SIGXFSZ: setrlimit(2).
        let script = format!("ulimit -f 0; RUST_LOG=debug exec \"$0\" {args} 2>>/tmp/log");
        let output = Output::of(Command::new("sh").args(["-c", &script]).arg(&stage.program));
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{args}");
    }
    assert_eq!(fs::read_to_string("/tmp/log").unwrap(), "longer than nothing");
    // A program in the container is not spared it.
    let script = "ulimit -c 0; ulimit -f 0; sh -c 'printf x >>/tmp/log'; echo $?";
    let output =
        stage.sh(&script.replace("/tmp", if stage.traits.root_directory { "" } else { "/tmp" }));
    assert_eq!(output.stdout, format!("{}\n", 128 + libc::SIGXFSZ), "{output:#?}");
}

fn a_few_open_files_are_enough(stage: &Stage) {
    let script = format!("ulimit -n {}; exec \"$0\" -c 'echo it runs'", stage.traits.open_files());
    let output = Output::of(Command::new("sh").args(["-c", &script]).arg(&stage.program));
    assert_eq!(output.ok(), "it runs\n");
}

fn unshare_with_a_pid_namespace_and_without_fork_is_refused_and_with_fork_it_runs(stage: &Stage) {
    stage.sh("true").ok();
    let (host, processes) = (Snapshot::take(), probe::processes());
    let user = "--user --map-root-user";
    for options in ["--pid", &format!("{user} --mount --uts --pid")] {
        if stage.who != As::Root && !options.starts_with(user) {
            continue;
        }
        let mut command = Command::new("unshare");
        command.args(options.split(' ')).arg(&stage.program).args(["-c", "echo it runs"]);
        let line = Output::of(&mut command).refused(&["--fork", "#children-elsewhere"]);
        let advice = &advised(&line)[1];
        let start = format!("--pid --fork --mount-proc cargo run -p {}", stage.package());
        let expected = match options {
            "--pid" => format!("unshare {start}"),
            _ if stage.traits.has("net") => format!("unshare {user} --net {start}"),
            _ => format!("unshare {user} {start}"),
        };
        // An ordinary user's throw-away host is like a container, whose root needs no other user namespace.
        let right = [expected, format!("unshare {start}")];
        assert!(
            right[..if stage.who == As::Rootless { 2 } else { 1 }].contains(advice),
            "{advice}"
        );
        let (unshare, _) = advice.split_once("cargo").unwrap();
        let script = format!("exec {unshare} \"$0\" -c 'echo it runs'");
        let forked = Output::of(Command::new("sh").args(["-c", &script]).arg(&stage.program));
        assert_eq!(forked.ok(), "it runs\n");
        host.assert_unchanged();
        assert_no_process_but(&processes);
    }
}
