//! Where a root directory can be made, and what is advised where it can't.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::rootfs;
use conformance::{As, Output, Stage, Test, advised, need, tests};
use nix::mount::{MsFlags, mount};

use super::NONE;
use super::whose::set_mode;

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        &[As::Root, As::User] => [
            a_limit_of_the_size_of_files_is_told,
            a_path_with_blanks_is_quoted_in_the_command_that_helps,
            a_path_with_control_characters_is_one_line,
            the_containers_path_leads_to_usr_local,
            the_containers_own_name_is_among_its_hosts,
        ],
        &[As::Root, As::Rootless] => [
            a_tmp_that_is_read_only_is_told_with_a_place_that_works,
            a_tmp_without_room_is_told_with_a_place_that_works,
            a_tmp_without_inodes_is_told_with_a_place_that_works,
            a_tmp_mounted_noexec_is_told_with_a_place_that_works,
        ],
        &[As::User] => [a_limit_of_processes_is_not_taken_for_a_missing_shell],
        &[As::Root] => [
            a_tmp_that_is_not_for_everybody_is_told,
            a_tmp_that_may_not_be_looked_into_is_told,
        ],
    ]
}

/// Mounts a file system on /tmp, with the program under test in it, and a home that can be written
/// to.
fn mount_tmp(data: &str, flags: MsFlags) {
    mount(Some("home"), "/mnt", Some("tmpfs"), MsFlags::empty(), Some("mode=755")).unwrap();
    fs::create_dir("/mnt/programs").unwrap();
    let programs = fs::canonicalize("/tmp/under-test").unwrap();
    mount(Some(&programs), "/mnt/programs", NONE, MsFlags::MS_BIND, NONE).unwrap();
    mount(Some("tmp"), "/tmp", Some("tmpfs"), MsFlags::empty(), Some(data)).unwrap();
    fs::create_dir("/tmp/under-test").unwrap();
    mount(Some("/mnt/programs"), "/tmp/under-test", NONE, MsFlags::MS_BIND, NONE).unwrap();
    mount(NONE, "/tmp", NONE, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags, NONE).unwrap();
}

/// Asserts that the stage refuses with these words, leaves nothing, and names a place where a root
/// directory can be made, again and again, and be used.
#[track_caller]
fn refuses_and_advises(stage: &Stage, words: &[&str]) {
    let start = |arguments: &[&str]| {
        Output::of(stage.command().env("HOME", "/mnt").args(arguments).args(["-c", "true"]))
    };
    let line = start(&[]).refused(words);
    assert_eq!(fs::read_dir("/tmp").unwrap().count(), 1, "nothing is left but the program");
    let command = &advised(&line)[0];
    let (make, run) = command.split_once(" && ").unwrap();
    assert_eq!(make, "cargo doctor root ~/busybox");
    // On an ordinary user's throw-away host process 1 is that user's, and root looks like a container's.
    let aliases: &[_] = if stage.who == As::Rootless { &["rootless", "run"] } else { &["run"] };
    let is_it = |alias: &&str| run == format!("cargo {alias} -p user -- --rootfs ~/busybox");
    assert!(aliases.iter().any(is_it), "{run}");
    for _ in 0..2 {
        // What the doctor does.
        rootfs::make(Path::new("/mnt/busybox")).unwrap();
        start(&["--rootfs", "/mnt/busybox"]).ok();
    }
    // It is not its own remedy: this place is taken away, and another one is named.
    mount(NONE, "/mnt", NONE, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOEXEC, NONE)
        .unwrap();
    assert!(!start(&[]).refused(words).contains("~/busybox"));
}

fn a_tmp_that_is_read_only_is_told_with_a_place_that_works(stage: &Stage) {
    mount_tmp("mode=1777", MsFlags::MS_RDONLY);
    refuses_and_advises(stage, &["/tmp", "Read-only file system", "#root-nowhere"]);
}

fn a_tmp_without_room_is_told_with_a_place_that_works(stage: &Stage) {
    mount_tmp("mode=1777,size=64k", MsFlags::empty());
    refuses_and_advises(stage, &["it takes", "64 KiB are free", "#root-nowhere"]);
}

fn a_tmp_without_inodes_is_told_with_a_place_that_works(stage: &Stage) {
    mount_tmp("mode=1777,nr_inodes=20", MsFlags::empty());
    refuses_and_advises(stage, &["it takes", "18 are free", "#root-nowhere"]);
}

fn a_tmp_mounted_noexec_is_told_with_a_place_that_works(stage: &Stage) {
    mount_tmp("mode=1777", MsFlags::MS_NOEXEC);
    refuses_and_advises(stage, &["nothing can be executed", "noexec", "#root-noexec"]);
}

fn a_tmp_that_is_not_for_everybody_is_told(stage: &Stage) {
    fs::create_dir("/tmp/home").unwrap();
    chown("/tmp/home", Some(1000), None).unwrap();
    set_mode("/tmp", 0o755);
    let mut command = Command::new(&stage.program);
    command.uid(1000).gid(1000).env("HOME", "/tmp/home");
    let output = Output::of(command.args(["-c", "true"]));
    let line = output.refused(&["/tmp can't be written to", "Permission denied", "#root-nowhere"]);
    assert!(line.contains("cargo doctor root ~/busybox"), "{line}");
}

fn a_tmp_that_may_not_be_looked_into_is_told(stage: &Stage) {
    mount_tmp("mode=700", MsFlags::empty());
    let program = Path::new("/mnt/programs").join(stage.program.file_name().unwrap());
    let mut command = Command::new(program);
    command.uid(1000).gid(1000).env("HOME", "/nowhere");
    let output = Output::of(command.args(["-c", "true"]));
    output.refused(&["/tmp can't be written to", "Permission denied", "#root-nowhere"]);
}

fn a_limit_of_the_size_of_files_is_told(stage: &Stage) {
    let script = "ulimit -f 1; exec \"$0\" -c true";
    let output = Output::of(Command::new("sh").args(["-c", script]).arg(&stage.program));
    let line = output.refused(&["a file of", "are allowed", "`ulimit -f`"]);
    assert!(!Path::new(rootfs::DEFAULT).exists(), "{line}");
    stage.sh("true").ok();
}

fn a_limit_of_processes_is_not_taken_for_a_missing_shell(stage: &Stage) {
    let mut limited = Command::new(need("prlimit"));
    limited.arg("--nproc=1:1").arg(&stage.program).args(["-c", "true"]);
    let line = Output::of(&mut limited).refused(&[
        "temporarily unavailable",
        "The limit of processes is reached",
        "#process-limit",
    ]);
    assert!(!line.contains("install"), "{line}");
}

fn a_path_with_blanks_is_quoted_in_the_command_that_helps(stage: &Stage) {
    let root = "/tmp/it's my root";
    fs::create_dir(root).unwrap();
    let line = stage.run(["--rootfs", root]).refused(&["mount point is missing"]);
    Output::of(Command::new("sh").args(["-c", &advised(&line)[0]])).ok();
    for name in ["proc", "dev", "temp"] {
        assert!(Path::new(root).join(name).is_dir(), "{name}");
    }
}

fn a_path_with_control_characters_is_one_line(stage: &Stage) {
    for name in ["/no\nERROR [05-user] all is lost", "/no\x1b]0;title\x07\x1b[2J"] {
        let line = stage.run(["--rootfs", name]).refused(&["root directory", "No such file"]);
        assert!(!line.trim_end().contains(char::is_control), "{line:?}");
    }
    let root = "/tmp/a\nb";
    fs::create_dir(root).unwrap();
    let line = stage.run(["--rootfs", root]).refused(&["mount point is missing"]);
    assert!(!line.trim_end().contains(char::is_control), "{line:?}");
}

fn the_containers_path_leads_to_usr_local(stage: &Stage) {
    stage.sh("true").ok();
    fs::create_dir_all("/tmp/busybox/usr/local/bin").unwrap();
    fs::write("/tmp/busybox/usr/local/bin/ours", "#!/bin/sh\necho found\n").unwrap();
    set_mode("/tmp/busybox/usr/local/bin/ours", 0o755);
    assert_eq!(stage.sh("ours").ok(), "found\n");
}

fn the_containers_own_name_is_among_its_hosts(stage: &Stage) {
    let hosts = stage.sh("while read address names; do echo \"$names\"; done </etc/hosts").ok();
    assert_eq!(hosts, "localhost nshost\nlocalhost nshost\n");
}
