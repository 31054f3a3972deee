//! The root directory: made, used, or refused.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::quote::quoted;
use common::rootfs;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::unistd::getpid;

use super::assert_no_process_but;
use crate::snapshot::Snapshot;
use crate::{As, Output, Stage, Test, Traits, advised, follow, probe, tests};

/// Returns the tests for a stage of these traits.
pub fn tests(traits: &Traits) -> Vec<Test> {
    if !traits.root_directory {
        return Vec::new();
    }
    tests![traits.users() => [
        a_missing_root_directory_is_made,
        a_missing_root_directory_of_the_readers_own_is_refused,
        a_root_directory_that_is_a_file_is_refused,
        an_empty_root_directory_is_refused_with_the_command_that_helps,
        a_path_with_the_words_of_an_advice_in_it_is_advised_as_it_is,
        a_root_directory_that_others_can_write_to_is_refused,
        a_root_directory_that_others_can_rename_is_refused,
        a_root_directory_with_a_link_for_a_mount_point_is_refused,
        a_mount_point_that_becomes_a_link_during_a_start_is_not_followed,
        the_root_directory_of_the_host_is_refused,
        a_default_root_directory_that_is_not_whole_is_refused_with_the_command_that_helps,
        a_directory_for_everybody_stays_one,
        a_file_in_the_place_of_a_mount_point_is_removed_by_the_command_that_helps,
        a_root_directory_is_readable_whatever_the_umask,
    ],
    // Whom a file belongs to cannot be changed without root.
    &[As::Root] => [
        a_root_directory_of_somebody_else_is_refused,
        a_root_directory_that_a_group_can_write_to_is_refused,
        a_root_directory_in_one_of_somebody_else_is_refused,
        a_default_root_directory_that_is_a_link_of_somebody_else_is_left_alone,
        a_default_root_directory_of_somebody_else_is_left_alone,
        root_under_sudo_has_a_root_directory_that_its_callers_container_cannot_write,
        a_root_directory_mounted_noexec_is_refused,
        what_is_mounted_in_a_default_root_directory_outlives_its_removal,
    ]]
}

/// As another container in the same root directory could do it.
fn a_mount_point_that_becomes_a_link_during_a_start_is_not_followed(stage: &Stage) {
    stage.sh("true").ok();
    fs::create_dir("/tmp/precious").unwrap();
    fs::write("/tmp/precious/null", "precious").unwrap();
    let host = Snapshot::take();
    for name in ["dev", "proc"] {
        let place = Path::new(rootfs::DEFAULT).join(name);
        let link = place.with_file_name("link");
        std::os::unix::fs::symlink("/tmp/precious", &link).unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let (at, flags) = (AT_FDCWD, RenameFlags::RENAME_EXCHANGE);
                    match renameat2(at, &place, at, &link, flags) {
                        // In 03 it is a mount point of this mount namespace, too.
                        Ok(()) | Err(Errno::EBUSY) => {}
                        Err(errno) => panic!("both are there: {errno}"),
                    }
                }
            });
            // Each start comes to its end, or says that there is a link.
            for _ in 0..50 {
                let output = stage.sh("exit 7");
                assert!([1, 7].contains(&output.code), "{output:#?}");
            }
            is_over.store(true, Ordering::Relaxed);
        });
        if place.is_symlink() {
            fs::rename(&link, place.with_file_name("directory")).unwrap();
            fs::remove_file(&place).unwrap();
            fs::rename(place.with_file_name("directory"), &place).unwrap();
        } else {
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(fs::read_to_string("/tmp/precious/null").unwrap(), "precious");
        let seen = probe::mounts(getpid());
        assert!(!seen.iter().any(|mount| mount.contains("/tmp/precious")), "{seen:?}");
    }
    host.assert_unchanged();
}

fn a_missing_root_directory_is_made(stage: &Stage) {
    assert!(!Path::new(rootfs::DEFAULT).exists());
    stage.sh("true").ok();
    assert!(Path::new(rootfs::DEFAULT).join("bin/sh").exists());
    let left: Vec<_> =
        fs::read_dir("/tmp").unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the root directory and the program: {left:?}");
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
    follow(&advised(&line)[0]);
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
    let line = refuses_rootfs(stage, "/tmp/open/root", &["rename", "/tmp/open"]);
    // Not go-w: a directory for everybody, such as /tmp, is to stay one.
    assert_eq!(advised(&line)[0], "chmod +t /tmp/open");
    Output::of(Command::new("sh").args(["-c", &advised(&line)[0]])).ok();
    stage.run(["--rootfs", "/tmp/open/root", "-c", "true"]).ok();
}

fn a_root_directory_of_somebody_else_is_refused(stage: &Stage) {
    stage.sh("true").ok();
    fs::rename(rootfs::DEFAULT, "/tmp/theirs").unwrap();
    give_away("/tmp/theirs");
    refuses_rootfs(stage, "/tmp/theirs", &["another user (id 4711)", "cp -rT /tmp/theirs "]);
}

fn a_default_root_directory_of_somebody_else_is_left_alone(stage: &Stage) {
    fs::create_dir(rootfs::DEFAULT).unwrap();
    give_away(rootfs::DEFAULT);
    let output = stage.sh("echo made");
    assert_eq!((output.code, output.stdout.as_str()), (0, "made\n"), "{output:#?}");
    assert!(output.stderr.contains("belongs to another user (id 4711): using /tmp/busybox-0"));
    assert_eq!(output.stderr.lines().count(), 1);
    assert_eq!(fs::read_dir(rootfs::DEFAULT).unwrap().count(), 0);
    give_away("/tmp/busybox-0");
    refuses_rootfs(stage, "/tmp/busybox-0", &["another user"]);
    stage.sh("true").refused(&["both default root directories", "--rootfs"]);
}

fn root_under_sudo_has_a_root_directory_that_its_callers_container_cannot_write(stage: &Stage) {
    stage.sh("true").ok();
    give_away(rootfs::DEFAULT);
    let sudo = |arguments: &[&str]| {
        let uid = SOMEBODY.to_string();
        Output::of(stage.command().env("SUDO_UID", uid).args(arguments).args(["-c", "true"]))
    };
    sudo(&[]).ok();
    let own = fs::metadata("/tmp/busybox-0").unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&own), 0);
    fs::create_dir("/tmp/home").unwrap();
    fs::rename("/tmp/busybox-0", "/tmp/home/mine").unwrap();
    give_away("/tmp/home");
    fs::rename(rootfs::DEFAULT, "/tmp/home/theirs").unwrap();
    for root in ["/tmp/home/mine", "/tmp/home/theirs"] {
        let line = sudo(&["--rootfs", root]).refused(&["another user"]);
        // To copy it would bring along what they have planted.
        let make = "cargo as-root -p doctor -- root ";
        assert!(line.contains(make) && !line.contains("cp "), "{line}");
    }
}

fn a_root_directory_mounted_noexec_is_refused(stage: &Stage) {
    Output::of(Command::new("mount").args(["-o", "remount,noexec", "/tmp"])).ok();
    // The program itself is below.
    Output::of(Command::new("mount").args(["--bind", "/tmp/under-test", "/tmp/under-test"])).ok();
    Output::of(Command::new("mount").args(["-o", "remount,bind,exec", "/tmp/under-test"])).ok();
    refuses_rootfs(stage, rootfs::DEFAULT, &["noexec", "cargo doctor root ", " --rootfs "]);
}

fn a_root_directory_with_a_link_for_a_mount_point_is_refused(stage: &Stage) {
    stage.sh("true").ok();
    fs::rename(rootfs::DEFAULT, "/tmp/root").unwrap();
    fs::remove_dir("/tmp/root/proc").unwrap();
    std::os::unix::fs::symlink("/proc", "/tmp/root/proc").unwrap();
    refuses_rootfs(stage, "/tmp/root", &["mount point is missing", "/tmp/root/proc"]);
}

fn a_path_with_the_words_of_an_advice_in_it_is_advised_as_it_is(stage: &Stage) {
    stage.sh("true").ok();
    for path in ["/tmp/{run}", "/tmp/{package}", "/tmp/a && sudo b", "/tmp/it's {run}"] {
        let copy = ["-aT", rootfs::DEFAULT, path];
        Output::of(Command::new("cp").args(copy)).ok();
        let temp = Path::new(path).join("temp");
        fs::remove_dir(&temp).unwrap();
        let line = stage.run(["--rootfs", path, "-c", "true"]).refused(&["a mount point"]);
        let command = format!("`mkdir {}`", quoted(&temp));
        assert!(line.contains(&command), "{line}");
        fs::create_dir(&temp).unwrap();
        stage.run(["--rootfs", path, "-c", "true"]).ok();
    }
}

fn the_root_directory_of_the_host_is_refused(stage: &Stage) {
    refuses_rootfs(stage, "/", &["root directory of the host"]);
}

fn a_default_root_directory_that_is_not_whole_is_refused_with_the_command_that_helps(
    stage: &Stage,
) {
    let sh = Path::new("/tmp/busybox/bin/sh");
    let breakages: [fn(&Path); 4] = [
        |sh| fs::remove_file(sh).unwrap(),
        |sh| fs::write(sh, "").unwrap(),
        |sh| set_mode(sh.to_str().unwrap(), 0o644),
        |sh| {
            fs::remove_file(sh).unwrap();
            fs::create_dir(sh).unwrap();
        },
    ];
    for make_broken in breakages {
        stage.sh("true").ok();
        make_broken(sh);
        let line = stage.sh("true").refused(&["not whole", "rm -r /tmp/busybox"]);
        follow(&advised(&line)[0]);
        stage.sh("true").ok();
    }
}

fn what_is_mounted_in_a_default_root_directory_outlives_its_removal(stage: &Stage) {
    stage.sh("true").ok();
    fs::create_dir("/tmp/home of joe").unwrap();
    fs::write("/tmp/home of joe/diary", "precious").unwrap();
    fs::create_dir("/tmp/busybox/home of joe").unwrap();
    let bind = "mount --bind '/tmp/home of joe' '/tmp/busybox/home of joe'
                mount -t tmpfs none '/tmp/busybox/home of joe'
                rm /tmp/busybox/bin/sh";
    Output::of(Command::new("sh").args(["-ec", bind])).ok();
    let line = stage.sh("true").refused(&["not whole", "umount", "rm -r /tmp/busybox"]);
    follow(&advised(&line)[0]);
    assert_eq!(fs::read_to_string("/tmp/home of joe/diary").unwrap(), "precious");
    stage.sh("true").ok();
}

fn a_directory_for_everybody_stays_one(stage: &Stage) {
    for name in ["bin", "dev", "proc", "temp"] {
        fs::create_dir_all(Path::new("/tmp").join(name)).unwrap();
    }
    let line =
        refuses_rootfs(stage, "/tmp", &["everybody may write", "doctor", "root /tmp/root &&"]);
    assert!(!line.contains("chmod"), "{line}");
}

fn a_file_in_the_place_of_a_mount_point_is_removed_by_the_command_that_helps(stage: &Stage) {
    fs::create_dir_all("/tmp/mine/dev").unwrap();
    fs::create_dir_all("/tmp/mine/temp").unwrap();
    std::os::unix::fs::symlink("/", "/tmp/mine/proc").unwrap();
    let line = refuses_rootfs(stage, "/tmp/mine", &["mount point"]);
    follow(&advised(&line)[0]);
    assert!(Path::new("/tmp/mine/proc").symlink_metadata().unwrap().is_dir());
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

/// Runs the stage on `rootfs`, and asserts that it refuses, with these words, and leaves nothing.
#[track_caller]
fn refuses_rootfs(stage: &Stage, rootfs: &str, words: &[&str]) -> String {
    let (host, processes) = (Snapshot::take(), probe::processes());
    let line = stage.run(["--rootfs", rootfs, "-c", "true"]).refused(words);
    assert!(line.contains(rootfs), "does not name {rootfs}: {line}");
    host.assert_unchanged();
    assert_no_process_but(&processes);
    line
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
