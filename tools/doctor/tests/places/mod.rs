//! Root directories, and places and programs for them.

use std::fs;
use std::path::Path;
use std::process::Command;

use common::rootfs;
use conformance::{Output, Stage, need};

use crate::ALL_BUT_CGROUPS;
use crate::help::{Report, before_and_after, sh};

pub fn a_default_root_directory_that_others_can_write_to_can_be_closed(stage: &Stage) {
    let provoke = "\"$0\" root /tmp/busybox; chmod o+w /tmp/busybox";
    let (before, after) = before_and_after(stage, &["env"], provoke);
    before.assert_states(&ALL_BUT_CGROUPS[..2]);
    let title = "Others can write to the root directory";
    before.assert_cause("05-user", title, &["chmod go-w /tmp/busybox"]);
    after.assert_states(&ALL_BUT_CGROUPS);
}

pub fn a_tmp_that_is_open_to_all_can_be_closed_by_its_owner(stage: &Stage) {
    sh(stage, "chmod 777 /tmp");
    let title = "Others can write to the root directory";
    Report::now(stage).assert_cause("05-user", title, &["chmod +t /tmp"]);
    let user = ["--reuid=1000", "--regid=1000", "--clear-groups"];
    let report = Report::of(Command::new(need("setpriv")).args(user).arg(&stage.program));
    let command = if Path::new("/usr/bin/sudo").exists() { "sudo" } else { "su -c" };
    report.assert_cause("05-user", title, &[command, "chmod +t /tmp"]);
    let command = &Report::now(stage).commands()[0];
    assert_eq!(command, "chmod +t /tmp");
    sh(stage, command);
    Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
}

pub fn a_file_in_the_place_of_a_root_directory_is_told_with_another_place(stage: &Stage) {
    fs::write(rootfs::DEFAULT, "").unwrap();
    fs::create_dir("/tmp/home").unwrap();
    let report = Report::of(stage.command().env("HOME", "/tmp/home"));
    let words = ["not a directory", "cargo doctor root ~/busybox &&"];
    report.assert_cause("03-pid", "No place for a root directory", &words);
}

pub fn a_link_in_the_place_of_a_root_directory_is_removed_and_not_what_it_leads_to(stage: &Stage) {
    let provoke = "mkdir -m 755 /tmp/mine; echo keep >/tmp/mine/file; ln -s /tmp/mine /tmp/busybox";
    let (before, after) = before_and_after(stage, &["env"], provoke);
    before.assert_cause("03-pid", "The root directory is not whole", &["rm /tmp/busybox"]);
    after.assert_states(&ALL_BUT_CGROUPS);
    assert_eq!(fs::read_to_string("/tmp/mine/file").unwrap(), "keep\n");
}

pub fn a_default_root_directory_that_is_not_whole_can_be_made_anew(stage: &Stage) {
    let provoke = "\"$0\" root /tmp/busybox; rm /tmp/busybox/bin/sh";
    let (before, after) = before_and_after(stage, &["env"], provoke);
    before.assert_cause("03-pid", "The root directory is not whole", &["rm -r /tmp/busybox"]);
    after.assert_states(&ALL_BUT_CGROUPS);
    assert!(after.text.contains("Root directory: /tmp/busybox, which the first start makes"));
}

pub fn a_root_directory_is_made_where_there_is_none_and_nowhere_else(stage: &Stage) {
    stage.run(["root", "/tmp/mine"]).ok();
    assert!(Path::new("/tmp/mine/bin/sh").exists());
    // So that advice can be followed twice.
    stage.run(["root", "/tmp/mine"]).ok();
    fs::create_dir("/tmp/yours").unwrap();
    let line = stage.run(["root", "/tmp/yours"]).refused(&["/tmp/yours", "there already"]);
    assert!(!line.contains("rm "), "it may be anything: {line}");
    stage.run(["root", "/no/such/mine"]).refused(&["/no/such", "No such file"]);
}

pub fn a_tmp_mounted_noexec_is_told_with_a_place_that_works(stage: &Stage) {
    sh(stage, "mount -o remount,noexec /tmp; mount --bind /tmp/under-test /tmp/under-test");
    Output::of(Command::new("mount").args(["-o", "remount,bind,exec", "/tmp/under-test"])).ok();
    // A home that ends with this test.
    sh(stage, "mount -t tmpfs -o mode=755 home /mnt");
    let report = Report::of(stage.command().env("HOME", "/mnt"));
    report.assert_states(&ALL_BUT_CGROUPS[..2]);
    let title = "The root directory is mounted noexec";
    report.assert_cause("03-pid", title, &["cargo doctor root ~/busybox", "--rootfs ~/busybox"]);
    let command = &report.commands()[0];
    let (make, _) = command.split_once(" && cargo run -p pid").unwrap();
    let make = make.replace("cargo doctor", "\"$0\"");
    sh(stage, &format!("HOME=/mnt; {make}"));
    assert_eq!(sh(stage, "chroot /mnt/busybox /bin/sh -c 'echo works'"), "works\n");
}

pub fn a_tmp_without_a_place_for_a_root_directory_is_told(stage: &Stage) {
    sh(stage, "mount -t tmpfs -o mode=755 home /mnt; mkdir /mnt/p; cp /tmp/under-test/* /mnt/p");
    for (options, words) in [
        ("ro", "Read-only file system"),
        ("size=64k", "64 KiB are free"),
        ("nr_inodes=20", "inodes"),
    ] {
        sh(stage, &format!("mount -t tmpfs -o mode=1777,{options} tmp /tmp"));
        let doctor = Path::new("/mnt/p").join(stage.program.file_name().unwrap());
        let report = Report::of(Command::new(doctor).env("HOME", "/mnt"));
        report.assert_states(&ALL_BUT_CGROUPS[..2]);
        let advice = ["cargo doctor root ~/busybox", "--rootfs ~/busybox"];
        let title = "No place for a root directory";
        report.assert_cause("03-pid", title, &[&advice[..], &[words]].concat());
        sh(stage, "umount /tmp");
    }
}

pub fn without_a_home_in_the_environment_a_place_is_told_by_its_whole_path(stage: &Stage) {
    let provoke = "
        mount -t tmpfs -o mode=755 programs /mnt; cp /tmp/under-test/* /mnt
        mount -t tmpfs -o mode=700 home /root; mount -t tmpfs -o ro tmp /tmp";
    sh(stage, provoke);
    let doctor = Path::new("/mnt").join(stage.program.file_name().unwrap());
    let command = |home: Option<&str>| {
        let mut command = Command::new(&doctor);
        command.env_remove("HOME").envs(home.map(|home| ("HOME", home)));
        Report::of(&mut command).commands()[0].clone()
    };
    assert!(command(None).contains("cargo doctor root /root/busybox &&"), "{}", command(None));
    assert!(command(Some("/root")).contains("cargo doctor root ~/busybox &&"));
}

pub fn a_host_without_a_writable_place_is_told_to_mount_one(stage: &Stage) {
    let provoke = "
        mount -t tmpfs -o mode=755 home /mnt; cp /tmp/under-test/* /mnt
        mount -t tmpfs -o ro tmp /tmp; mount -o remount,bind,ro /mnt; mount -o remount,bind,ro /
        for dir in /root /var/tmp; do mount -t tmpfs -o ro none $dir; done";
    sh(stage, provoke);
    let doctor = Path::new("/mnt").join(stage.program.file_name().unwrap());
    let report = || Report::of(Command::new(&doctor).env("HOME", "/root"));
    let before = report();
    before.assert_states(&ALL_BUT_CGROUPS[..2]);
    let command = "mount -t tmpfs tmpfs /tmp";
    before.assert_cause("03-pid", "No place for a root directory", &["Read-only", command]);
    assert_eq!(before.commands(), [command]);
    sh(stage, command);
    report().assert_states(&ALL_BUT_CGROUPS);
}

/// An ordinary user who is not the caller.
const SOMEBODY: u32 = 4711;

fn make_theirs(path: &str) {
    fs::create_dir(path).unwrap();
    std::os::unix::fs::chown(path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
}

pub fn a_default_root_directory_of_somebody_else_is_left_alone(stage: &Stage) {
    make_theirs(rootfs::DEFAULT);
    let report = Report::now(stage);
    report.assert_states(&ALL_BUT_CGROUPS);
    assert!(!Path::new("/tmp/busybox-0").exists());
    assert!(report.text.contains("Root directory: /tmp/busybox-0"), "{}", report.text);
}

pub fn two_default_root_directories_of_somebody_else_are_told(stage: &Stage) {
    make_theirs(rootfs::DEFAULT);
    make_theirs("/tmp/busybox-0");
    let report = Report::now(stage);
    let title = "The root directory is another user's";
    report.assert_cause("03-pid", title, &["/tmp/busybox-0", "cargo doctor root ", " --rootfs "]);
}

/// Where a host may have a program.
const DIRECTORIES: [&str; 6] =
    ["/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Hides a program of the host behind a file that nobody can execute.
pub fn hide(program: &str) {
    for file in DIRECTORIES.map(|directory| Path::new(directory).join(program)) {
        if file.exists() {
            Output::of(Command::new("mount").arg("--bind").arg("/dev/null").arg(file)).ok();
        }
    }
}

pub fn without_busybox_the_hosts_own_programs_are_told(stage: &Stage) {
    hide("busybox");
    let report = Report::now(stage);
    report.assert_states(&ALL_BUT_CGROUPS[..5]);
    assert!(report.text.contains("your own programs (there is no busybox)"), "{}", report.text);
}

pub fn without_any_programs_a_package_is_told(stage: &Stage) {
    hide("busybox");
    hide("sh");
    let report = Report::now(stage);
    report.assert_states(&ALL_BUT_CGROUPS[..2]);
    report.assert_cause(
        "03-pid",
        "No programs for a root directory",
        &["no program sh", "busybox"],
    );
    // What the package brings.
    for file in DIRECTORIES.map(|directory| Path::new(directory).join("sh")) {
        let _ = nix::mount::umount(&file);
    }
    Report::now(stage).assert_states(&ALL_BUT_CGROUPS[..5]);
}

pub fn what_is_behind_a_missing_root_directory_is_told_as_well(stage: &Stage) {
    sh(stage, "mount -t tmpfs -o mode=755 home /mnt; cp /tmp/under-test/* /mnt");
    sh(stage, "mount -t tmpfs -o ro tmp /tmp; mount --bind /dev/null /proc/interrupts");
    let doctor = Path::new("/mnt").join(stage.program.file_name().unwrap());
    let report = Report::of(&mut Command::new(doctor));
    report.assert_cause("03-pid", "No place for a root directory", &["--rootfs"]);
    report.assert_cause("05-user", "Parts of /proc are covered", &["umount /proc/interrupts"]);
    assert!(report.row("05-user").1.starts_with("No place for a root directory (1), "));
}
