//! Stage 05 from outside.

use common::rootfs;
use conformance::{As, Output, Stage, Traits, escape, need, probe, tests};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::unistd::{getegid, geteuid};

mod root_directory;

const TRAITS: Traits = Traits {
    namespaces: &["mnt", "pid", "user", "uts"],
    sets_hostname: true,
    root_directory: true,
};

fn main() -> ExitCode {
    let mut tests = tests![
        &[As::Root, As::User] => [
            its_root_directory_cannot_be_escaped,
            root_inside_is_the_caller_outside,
            one_user_and_one_group_are_mapped,
            root_inside_has_every_capability_there,
            a_file_made_by_root_inside_belongs_to_the_caller,
            user_namespaces_switched_off_are_named_with_the_sysctl,
            who_has_no_id_is_told_so_and_not_to_make_another_root_directory,
        ],
        &[As::Root] => [
            an_error_inside_knows_the_engine_that_the_environment_outside_names,
            without_proc_it_is_told_how_to_mount_one,
        ],
        &[As::User] => [
            root_inside_cannot_do_what_the_caller_cannot,
            an_error_inside_is_told_with_what_is_installed_outside,
        ],
    ];
    tests.extend(root_directory::tests());
    conformance::stage(TRAITS, env!("CARGO_BIN_EXE_05-user"), tests)
}

fn without_proc_it_is_told_how_to_mount_one(stage: &Stage) {
    stage.sh("true").ok();
    Output::of(Command::new("mount").args(["-t", "tmpfs", "none", "/proc"])).ok();
    stage.sh("true").refused(&["find this process", "mount -t proc proc /proc", "#no-proc"]);
}

fn an_error_inside_knows_the_engine_that_the_environment_outside_names(stage: &Stage) {
    // As engines cover parts of /proc: a user namespace may have no new one then.
    Output::of(Command::new("mount").args(["--bind", "/dev/null", "/proc/interrupts"])).ok();
    for (name, value, command) in [
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1", "`kubectl run containers"),
        ("container", "podman", "`podman run --security-opt"),
    ] {
        let output = Output::of(stage.command().args(["-c", "true"]).env(name, value));
        output.refused(&["ns_init", "mount /proc: EPERM", command]);
    }
}

fn its_root_directory_cannot_be_escaped(stage: &Stage) {
    assert!(!escape::escapes(stage));
}

fn root_inside_is_the_caller_outside(stage: &Stage) {
    assert_eq!(stage.sh("id -u; id -g").ok(), "0\n0\n");
    let container = stage.start("echo ready; exec sleep 1000");
    let ids = |id| [id; 4].map(|id: u32| id.to_string()).join("\t");
    let shell = container.youngest();
    assert_eq!(probe::status(shell, "Uid"), ids(geteuid().as_raw()));
    assert_eq!(probe::status(shell, "Gid"), ids(getegid().as_raw()));
}

fn one_user_and_one_group_are_mapped(stage: &Stage) {
    let container = stage.start("echo ready; exec sleep 1000");
    let map = |file| {
        let text = probe::read(container.youngest(), file);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(map("uid_map"), format!("0 {} 1", geteuid()));
    assert_eq!(map("gid_map"), format!("0 {} 1", getegid()));
    assert_eq!(map("setgroups"), "deny");
}

fn root_inside_has_every_capability_there(stage: &Stage) {
    let container = stage.start("echo ready; exec sleep 1000");
    let [effective, bounding] =
        ["CapEff", "CapBnd"].map(|set| probe::status(container.youngest(), set));
    assert_eq!(effective, bounding, "all there are");
    assert_ne!(u64::from_str_radix(&effective, 16), Ok(0));
}

fn a_file_made_by_root_inside_belongs_to_the_caller(stage: &Stage) {
    assert_eq!(stage.sh("touch /root/file; stat -c %u:%g /root/file").ok(), "0:0\n");
    let file = fs::metadata(Path::new(rootfs::DEFAULT).join("root/file")).unwrap();
    assert_eq!((file.uid(), file.gid()), (geteuid().as_raw(), getegid().as_raw()));
}

fn root_inside_cannot_do_what_the_caller_cannot(stage: &Stage) {
    need("busybox");
    let refused = |script: &str, errno: &str| {
        let output = stage.sh(script);
        assert!(output.code != 0 && output.stderr.contains(errno), "{script}: {output:#?}");
    };
    // The kernel's settings belong to the first user namespace. (Were this allowed, nothing would change.)
    refused(
        "read -r value </proc/sys/kernel/panic; echo $value >/proc/sys/kernel/panic",
        "Permission denied",
    );
    refused("mknod /temp/null c 1 3", "Operation not permitted");
}

fn user_namespaces_switched_off_are_named_with_the_sysctl(stage: &Stage) {
    stage.sh("true").ok();
    // The limit counts in the user namespace that it is written in, and below.
    let script = "echo 0 >/proc/sys/user/max_user_namespaces; exec \"$0\" -c true";
    let unshare = ["--user", "--map-root-user", "sh", "-c", script];
    Output::of(Command::new("unshare").args(unshare).arg(&stage.program)).refused(&[
        "CLONE_NEWUSER",
        "ENOSPC",
        "User namespaces are switched off",
        // By sysctl(8) where it is, or by a file in /proc.
        "max_user_namespaces",
        "15000",
    ]);
}

fn an_error_inside_is_told_with_what_is_installed_outside(stage: &Stage) {
    need("prlimit");
    stage.sh("true").ok();
    // Not where a distribution puts it, and not in the root directory.
    fs::create_dir("/tmp/more").unwrap();
    fs::write("/tmp/more/sudo", "").unwrap();
    let path = format!("{}:/tmp/more", std::env::var("PATH").unwrap());
    // In a user namespace of their own, the processes of other tests do not count.
    let errors = (1..10).map(|most| {
        let limit = format!("--nproc={most}:{most}");
        let words = ["--user", "--map-root-user", "prlimit", &limit];
        let mut limited = Command::new("unshare");
        Output::of(limited.args(words).arg(&stage.program).args(["-c", "true"]).env("PATH", &path))
    });
    let inside = |output: &Output| output.stderr.contains("[ns_init]");
    let error = errors.into_iter().find(inside).expect("the shell is the last process to be made");
    let words = ["EAGAIN", "`sudo prlimit --pid $$ --nproc=1024:1024`", "#process-limit"];
    error.refused(&words);
}

fn who_has_no_id_is_told_so_and_not_to_make_another_root_directory(stage: &Stage) {
    stage.sh("true").ok();
    let mut without_id = Command::new("unshare");
    without_id.arg("--user").arg(&stage.program).args(["-c", "true"]);
    let line = Output::of(&mut without_id).refused(&["You have no id", "#userns-refused"]);
    assert!(!line.contains("doctor root"), "{line}");
}
