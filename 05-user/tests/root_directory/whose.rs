//! Whose root directory it is, and who else can write to it.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::rootfs;
use conformance::{As, Output, Stage, Test, need, tests};
use nix::libc;

use super::fuse;

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        &[As::Root, As::User] => [
            a_directory_of_programs_that_others_can_write_to_is_refused,
            a_shell_that_others_can_write_to_is_refused_wherever_its_links_lead,
            a_root_directory_that_a_link_of_ones_own_leads_to_is_used,
        ],
        // Others than root have no other id that a list could name: acl(5), in a user namespace.
        &[As::Root] => [
            who_is_named_in_an_access_control_list_is_another_user,
            a_tmp_without_its_sticky_bit_is_refused_before_anything_is_made,
            a_root_directory_that_cannot_be_looked_into_is_not_taken_for_empty,
            a_default_root_directory_that_cannot_be_looked_into_is_left_alone,
            a_file_system_that_another_user_serves_is_refused_and_not_asked_anything,
            in_a_user_namespace_a_parent_of_another_user_is_told_from_roots_own,
            in_a_user_namespace_nobody_owns_what_belongs_to_an_id_that_is_not_mapped,
        ],
    ]
}

/// An ordinary user who is not the caller.
const SOMEBODY: u32 = 4711;

/// chmod(2).
pub fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A whole root directory that is the caller's.
const ROOT: &str = "/tmp/root";

fn make_root(stage: &Stage) {
    stage.sh("true").ok();
    fs::rename(rootfs::DEFAULT, ROOT).unwrap();
}

fn run(stage: &Stage) -> Output {
    stage.run(["--rootfs", ROOT, "-c", "true"])
}

/// Gives a file or directory a list by which SOMEBODY has these rights: setfacl(1), without the
/// program.
fn give_right(path: &str, rights: u8) {
    // user::rwx, user:SOMEBODY:RIGHTS, group::r-x, mask::rwx, other::r-x
    let entries = [
        (1, 7, u32::MAX),
        (2, rights, SOMEBODY),
        (4, 5, u32::MAX),
        (16, 7, u32::MAX),
        (32, 5, u32::MAX),
    ];
    let mut list = vec![2, 0, 0, 0];
    for (tag, right, id) in entries {
        list.extend([tag, 0, right, 0]);
        list.extend(id.to_le_bytes());
    }
    let path = CString::new(Path::new(path).as_os_str().as_bytes()).unwrap();
    let name = c"system.posix_acl_access";
    // SAFETY: both strings end with NUL, and the list is as long as is said.
    let set = unsafe {
        libc::setxattr(path.as_ptr(), name.as_ptr(), list.as_ptr().cast(), list.len(), 0)
    };
    let error = std::io::Error::last_os_error();
    if set != 0 && error.raw_os_error() == Some(libc::EINVAL) {
        // Where an ordinary user has started the tests, their user namespace has one user, and no name for another.
        conformance::skip("needs root");
    }
    assert_eq!(set, 0, "{error}");
}

fn who_is_named_in_an_access_control_list_is_another_user(stage: &Stage) {
    fs::create_dir("/tmp/above").unwrap();
    make_root(stage);
    for (path, words) in [
        (ROOT, "writable by other users"),
        ("/tmp/root/bin", "writable by other users"),
        ("/tmp/above", "rename it in /tmp/above"),
    ] {
        let root = if path == "/tmp/above" { "/tmp/above/root" } else { ROOT };
        if root != ROOT {
            fs::rename(ROOT, root).unwrap();
        }
        let run = || stage.run(["--rootfs", root, "-c", "true"]);
        give_right(path, 5);
        run().ok();
        give_right(path, 7);
        let line = run().refused(&[words]);
        Output::of(Command::new("sh").args(["-c", &conformance::advised(&line)[0]])).ok();
        run().ok();
    }
}

fn a_directory_of_programs_that_others_can_write_to_is_refused(stage: &Stage) {
    make_root(stage);
    // The sticky bit keeps what is there, and not new names.
    for mode in [0o777, 0o1777] {
        set_mode("/tmp/root/bin", mode);
        run(stage).refused(&[
            "/tmp/root/bin",
            "writable by other users",
            "chmod go-w /tmp/root/bin",
        ]);
    }
    set_mode("/tmp/root/bin", 0o755);
    run(stage).ok();
}

fn a_shell_that_others_can_write_to_is_refused_wherever_its_links_lead(stage: &Stage) {
    make_root(stage);
    fs::create_dir_all("/tmp/root/opt/shells").unwrap();
    fs::rename("/tmp/root/bin/sh", "/tmp/root/bin/old").unwrap();
    fs::copy("/tmp/root/bin/old", "/tmp/root/opt/shells/sh").unwrap();
    // From the root directory that it is in; on the host it leads nowhere.
    std::os::unix::fs::symlink("/opt/shells/sh", "/tmp/root/bin/sh").unwrap();
    run(stage).ok();
    set_mode("/tmp/root/opt/shells", 0o777);
    run(stage).refused(&["/tmp/root/opt/shells", "writable by other users"]);
    set_mode("/tmp/root/opt/shells", 0o755);
    set_mode("/tmp/root/opt/shells/sh", 0o757);
    let words = ["/tmp/root/opt/shells/sh", "writable by other users"];
    run(stage).refused(&words);
    // Another one than /bin/sh, too.
    fs::remove_file("/tmp/root/bin/sh").unwrap();
    fs::rename("/tmp/root/bin/old", "/tmp/root/bin/sh").unwrap();
    run(stage).ok();
    stage.run(["--rootfs", ROOT, "--nsshell", "/opt/shells/sh", "-c", "true"]).refused(&words);
}

fn a_root_directory_that_a_link_of_ones_own_leads_to_is_used(stage: &Stage) {
    make_root(stage);
    std::os::unix::fs::symlink("../tmp/root/", "/tmp/link").unwrap();
    let run = || stage.run(["--rootfs", "/tmp/link", "-c", "true"]);
    run().ok();
    if stage.who == As::Root {
        std::os::unix::fs::lchown("/tmp/link", Some(SOMEBODY), None).unwrap();
        run().refused(&["another user can rename it in /tmp/link"]);
    }
}

fn a_tmp_without_its_sticky_bit_is_refused_before_anything_is_made(stage: &Stage) {
    set_mode("/tmp", 0o777);
    let modified = || fs::metadata("/tmp").unwrap().modified().unwrap();
    let before = modified();
    let line = stage.sh("true").refused(&["another user can rename it in /tmp", "chmod +t /tmp"]);
    assert_eq!(modified(), before, "something was made");
    Output::of(Command::new("sh").args(["-c", &conformance::advised(&line)[0]])).ok();
    stage.sh("true").ok();
}

fn a_file_system_that_another_user_serves_is_refused_and_not_asked_anything(stage: &Stage) {
    fs::create_dir(rootfs::DEFAULT).unwrap();
    let _silent = fuse::mount_silent(rootfs::DEFAULT, SOMEBODY);
    let theirs = "belongs to another user, who has mounted it (id 4711)";
    let output = stage.sh("true");
    assert!(output.code == 0 && output.stderr.contains(theirs), "{output:#?}");
    assert!(output.stderr.contains("using /tmp/busybox-0"), "{output:#?}");
    // Another name for it, which is not the default one.
    stage.run(["--rootfs", "/tmp/../tmp/busybox"]).refused(&[theirs]);
    stage.run(["--rootfs", "/tmp/busybox/root"]).refused(&[theirs]);
}

/// Starts the stage as the ordinary user 1000, or as root of a user namespace of theirs.
fn as_user(stage: &Stage, before: &[&str], arguments: &[&str]) -> Output {
    let words = [before, &[stage.program.to_str().unwrap()], arguments].concat();
    Output::of(Command::new(words[0]).args(&words[1..]).uid(1000).gid(1000))
}

fn a_root_directory_that_cannot_be_looked_into_is_not_taken_for_empty(stage: &Stage) {
    make_root(stage);
    set_mode(ROOT, 0o700);
    as_user(stage, &[], &["--rootfs", ROOT]).refused(&[ROOT, "Permission denied"]);
}

fn a_default_root_directory_that_cannot_be_looked_into_is_left_alone(stage: &Stage) {
    stage.sh("true").ok();
    set_mode(rootfs::DEFAULT, 0o700);
    let output = as_user(stage, &[], &["-c", "echo made"]);
    assert_eq!((output.code, output.stdout.as_str()), (0, "made\n"), "{output:#?}");
    assert!(
        output.stderr.contains("Permission denied")
            && output.stderr.contains("using /tmp/busybox-1000")
    );
}

/// Makes the caller root of a user namespace of one id.
const ROOTLESS: [&str; 4] = ["unshare", "--user", "--map-root-user", "--mount"];

fn in_a_user_namespace_a_parent_of_another_user_is_told_from_roots_own(stage: &Stage) {
    need("unshare");
    make_root(stage);
    Output::of(Command::new("chown").args(["-R", "1000:1000", ROOT])).ok();
    let arguments = ["--rootfs", "/tmp/above/root", "-c", "true"];
    fs::create_dir("/tmp/above").unwrap();
    fs::rename(ROOT, "/tmp/above/root").unwrap();
    for owner in [SOMEBODY, 0] {
        chown("/tmp/above", Some(owner), None).unwrap();
        let line = as_user(stage, &ROOTLESS, &arguments).refused(&["rename it in /tmp/above"]);
        assert!(line.contains("cargo rootless -p user") || !line.contains("cargo run"), "{line}");
    }
    chown("/tmp/above", Some(1000), None).unwrap();
    as_user(stage, &ROOTLESS, &arguments).ok();
    // /tmp itself is unmapped root's, too.
    fs::rename("/tmp/above/root", ROOT).unwrap();
    as_user(stage, &ROOTLESS, &["--rootfs", ROOT, "-c", "true"]).ok();
}

fn in_a_user_namespace_nobody_owns_what_belongs_to_an_id_that_is_not_mapped(stage: &Stage) {
    need("unshare");
    make_root(stage);
    // Without a map all ids look alike, the caller's own as well.
    let words = [ROOT, "belongs to another user"];
    as_user(stage, &["unshare", "--user"], &["--rootfs", ROOT]).refused(&words);
    as_user(stage, &ROOTLESS, &["--rootfs", ROOT]).refused(&words);
}
