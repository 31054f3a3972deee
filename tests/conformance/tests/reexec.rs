//! What `common::reexec` promises beyond what the stages show.

use std::fs;
use std::process::ExitCode;

use common::reexec::{Command, IdMap, Running};
use conformance::{As, Stage, eventually, probe, tests};
use nix::errno::Errno;
use nix::libc;
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getegid, geteuid, getpid, getsid};

fn main() -> ExitCode {
    let tests = tests![&[As::Root, As::User] => [
        a_created_child_has_its_namespaces_and_waits,
        a_created_child_that_is_dropped_is_gone,
        a_created_child_that_is_killed_ends_as_one_that_runs,
        a_sigterm_between_create_and_start_is_not_lost,
        a_sigterm_ends_a_child_that_was_stopped_before_it_has_run,
        without_maps_a_program_has_no_capabilities,
        with_maps_a_program_has_all_capabilities,
        several_ranges_can_be_mapped_where_the_caller_may,
        a_map_that_is_not_allowed_is_an_error_and_leaves_no_child,
        a_program_that_does_not_exist_is_an_error_with_its_errno,
        a_directory_that_does_not_exist_is_an_error,
        an_argument_with_a_zero_byte_is_an_error,
        a_variable_is_set_once,
        a_status_of_a_signal_is_128_and_its_number,
        a_program_can_stay_in_the_session_of_its_caller,
        a_key_of_the_callers_session_is_not_there_in_new_namespaces,
    ]];
    conformance::library(tests)
}

/// A program that waits until it is killed.
fn sleep() -> Command {
    Command::new("/bin/sleep").args(["1000"])
}

fn one_id(container_id: u32, host_id: u32) -> [IdMap; 1] {
    [IdMap::one(container_id, host_id)]
}

/// Effective capabilities of a process, as a number.
fn capabilities(pid: Pid) -> u64 {
    u64::from_str_radix(&probe::status(pid, "CapEff"), 16).expect("a hexadecimal number")
}

/// The process of the program that a child runs. The child leads its session, and waits for it.
#[track_caller]
fn program(running: &Running) -> Pid {
    probe::children(running.pid())[0]
}

fn a_created_child_has_its_namespaces_and_waits(_: &Stage) {
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS;
    let created = sleep().cloneflag(flags).create().unwrap();
    let pid = created.pid();
    assert_ne!(probe::namespace(pid, "uts"), probe::namespace(getpid(), "uts"));
    assert_eq!(probe::namespace(pid, "ipc"), probe::namespace(getpid(), "ipc"));
    assert_eq!(probe::children(pid), [], "no program yet");
    let running = created.start().unwrap();
    assert_eq!(running.pid(), pid);
    let this = fs::read_link("/proc/self/exe").unwrap();
    let program = program(&running);
    assert_ne!(fs::read_link(format!("/proc/{program}/exe")).unwrap(), this);
    assert_eq!(probe::namespace(program, "uts"), probe::namespace(pid, "uts"));
    kill(pid, Signal::SIGKILL).unwrap();
    running.wait().unwrap();
}

fn a_created_child_that_is_dropped_is_gone(_: &Stage) {
    drop(sleep().create().unwrap());
    assert_eq!(probe::children(getpid()), []);
}

fn a_created_child_that_is_killed_ends_as_one_that_runs(_: &Stage) {
    let created = sleep().create().unwrap();
    kill(created.pid(), Signal::SIGKILL).unwrap();
    eventually("it is a zombie", || probe::status(created.pid(), "State").starts_with('Z'));
    let code = created.start().unwrap().wait().unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(137)));
}

fn a_sigterm_between_create_and_start_is_not_lost(_: &Stage) {
    let created = sleep().create().unwrap();
    kill(getpid(), Signal::SIGTERM).unwrap();
    let code = created.start().unwrap().wait().unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(137)));
}

fn a_sigterm_ends_a_child_that_was_stopped_before_it_has_run(_: &Stage) {
    let created = sleep().create().unwrap();
    // As one is that is still in the process group of its launcher.
    kill(created.pid(), Signal::SIGSTOP).unwrap();
    eventually("the child is stopped", || probe::status(created.pid(), "State").starts_with('T'));
    let end = format!("sleep 0.2; kill -TERM {}", getpid());
    let mut helper = std::process::Command::new("/bin/sh").args(["-c", &end]).spawn().unwrap();
    let code = created.start().unwrap().wait().unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(137)));
    helper.wait().unwrap();
}

fn without_maps_a_program_has_no_capabilities(_: &Stage) {
    let created = sleep().cloneflag(CloneFlags::CLONE_NEWUSER).create().unwrap();
    let pid = created.pid();
    assert_ne!(capabilities(pid), 0, "clone gives all of them");
    let running = created.start().unwrap();
    let program = program(&running);
    assert_eq!(
        capabilities(program),
        0,
        "and execve takes them from who is not root: the article's $"
    );
    kill(pid, Signal::SIGKILL).unwrap();
    running.wait().unwrap();
}

fn with_maps_a_program_has_all_capabilities(_: &Stage) {
    let running = sleep()
        .cloneflag(CloneFlags::CLONE_NEWUSER)
        .uid_mappings(&one_id(0, geteuid().as_raw()))
        .gid_mappings(&one_id(0, getegid().as_raw()))
        .create()
        .unwrap()
        .start()
        .unwrap();
    assert_ne!(capabilities(program(&running)), 0);
    kill(running.pid(), Signal::SIGKILL).unwrap();
    running.wait().unwrap();
}

/// A map that only root may write: more ids than the caller's own.
const TWO_RANGES: [IdMap; 2] = [
    IdMap { container_id: 0, host_id: 100_000, size: 10 },
    IdMap { container_id: 10, host_id: 200_000, size: 20 },
];

fn several_ranges_can_be_mapped_where_the_caller_may(stage: &Stage) {
    if stage.who != As::Root {
        return a_map_that_is_not_allowed_is_an_error_and_leaves_no_child(stage);
    }
    let command = sleep().cloneflag(CloneFlags::CLONE_NEWUSER).uid_mappings(&TWO_RANGES);
    let created = command.create().unwrap();
    let map = probe::read(created.pid(), "uid_map");
    let map: Vec<_> = map.split_whitespace().collect();
    assert_eq!(map, ["0", "100000", "10", "10", "200000", "20"]);
}

fn a_map_that_is_not_allowed_is_an_error_and_leaves_no_child(stage: &Stage) {
    let mut ranges = TWO_RANGES;
    // Nobody may map an id twice.
    ranges[1].container_id = 0;
    let command = sleep().cloneflag(CloneFlags::CLONE_NEWUSER).uid_mappings(&ranges);
    let error = format!("{:#}", command.create().unwrap_err());
    assert!(error.contains("uid_map") && error.contains("100000"), "{error}");
    if stage.who == As::User {
        let command = sleep().cloneflag(CloneFlags::CLONE_NEWUSER).uid_mappings(&TWO_RANGES);
        assert!(format!("{:#}", command.create().unwrap_err()).contains("not permitted"));
    }
    assert_eq!(probe::children(getpid()), []);
}

fn a_program_that_does_not_exist_is_an_error_with_its_errno(_: &Stage) {
    let error = Command::new("/no/such/program").run().unwrap_err();
    assert_eq!(error.root_cause().downcast_ref(), Some(&Errno::ENOENT));
    assert!(format!("{error}").contains("/no/such/program"));
    assert_eq!(probe::children(getpid()), []);
}

fn a_directory_that_does_not_exist_is_an_error(_: &Stage) {
    let error = sleep().current_dir("/no/such/directory").run().unwrap_err();
    assert!(format!("{error:#}").contains("Chdir: ENOENT"), "{error:#}");
    assert_eq!(probe::children(getpid()), []);
}

fn an_argument_with_a_zero_byte_is_an_error(_: &Stage) {
    let error = Command::new("/bin/true").args(["a\0b"]).run().unwrap_err();
    assert!(format!("{error:#}").contains("zero byte"), "{error:#}");
}

fn a_variable_is_set_once(_: &Stage) {
    let running = sleep()
        .env_keep(&["PATH"])
        .env("WORD", "first")
        .env("WORD", "second")
        .create()
        .unwrap()
        .start()
        .unwrap();
    let environment = probe::read(program(&running), "environ");
    kill(running.pid(), Signal::SIGKILL).unwrap();
    running.wait().unwrap();
    assert_eq!(environment.matches("WORD=").count(), 1);
    assert!(environment.contains("WORD=second\0") && environment.contains("PATH="));
}

fn a_status_of_a_signal_is_128_and_its_number(_: &Stage) {
    let created = sleep().create().unwrap();
    let running = created.start().unwrap();
    kill(program(&running), Signal::SIGUSR1).unwrap();
    let code = running.wait().unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(138)));
}

fn a_program_can_stay_in_the_session_of_its_caller(_: &Stage) {
    let session = |pid: Pid| getsid(Some(pid)).unwrap();
    let running = sleep().same_session().create().unwrap().start().unwrap();
    assert_eq!(session(running.pid()), session(getpid()));
    kill(running.pid(), Signal::SIGKILL).unwrap();
    running.wait().unwrap();
    let running = sleep().create().unwrap().start().unwrap();
    assert_eq!(session(program(&running)), running.pid());
    kill(running.pid(), Signal::SIGKILL).unwrap();
    running.wait().unwrap();
}

/// Whether the keys that a program can see, if it is started so, have one of the caller's session among them.
fn sees_key(command: Command) -> bool {
    let said = "/tmp/keys";
    command.args(["-c", &format!("cat /proc/keys >{said}")]).run().unwrap();
    fs::read_to_string(said).unwrap().contains("reexec-probe")
}

fn a_key_of_the_callers_session_is_not_there_in_new_namespaces(_: &Stage) {
    const SESSION_KEYRING: libc::c_int = -3;
    const ONLY_WHO_POSSESSES_IT: libc::c_uint = 0x3f00_0000;
    // SAFETY: the pointers are null, or to C strings that live as long as the program.
    let made = unsafe {
        let join = libc::KEYCTL_JOIN_SESSION_KEYRING;
        libc::syscall(libc::SYS_keyctl, join, std::ptr::null::<u8>());
        let (kind, name) = (c"user".as_ptr(), c"reexec-probe".as_ptr());
        let key = libc::syscall(libc::SYS_add_key, kind, name, name, 4, SESSION_KEYRING);
        let set = libc::KEYCTL_SETPERM;
        key >= 0 && libc::syscall(libc::SYS_keyctl, set, key, ONLY_WHO_POSSESSES_IT) == 0
    };
    if !made || fs::read("/proc/keys").is_err() {
        conformance::skip("needs a kernel with keys: keyrings(7)");
    }
    let shell = Command::new("/bin/sh");
    assert!(sees_key(shell.clone()), "a program in the caller's namespaces has the caller's keys");
    let new = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS;
    let shell = shell.uid_mappings(&one_id(0, geteuid().as_raw()));
    assert!(!sees_key(shell.cloneflag(new)));
}
