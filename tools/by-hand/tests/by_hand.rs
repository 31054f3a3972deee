//! `cargo by-hand` from outside: what each call does to the program, and to nobody else.

use std::fs;
use std::process::{Command, ExitCode};

use conformance::{As, Container, Output, Stage, need, skip, tests};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

fn main() -> ExitCode {
    let tests = tests![
        &[As::Root, As::Rootless, As::User] => [
            the_call_that_is_named_is_refused_and_no_other,
            a_call_without_a_name_here_is_refused_with_those_that_have_one,
            a_filter_stays_with_children,
            what_is_below_the_directory_can_be_written_and_nothing_else,
            a_program_that_is_not_there_is_refused,
            the_exit_status_is_the_programs,
        ],
        &[As::Root, As::User] => [
            a_process_in_a_container_is_one_in_all_its_namespaces,
            a_process_that_is_gone_is_refused,
        ],
        &[As::Root] => [
            a_child_is_in_its_cgroup_before_its_first_instruction,
            what_is_no_cgroup_is_refused,
            a_mount_shows_owners_as_the_map_has_them_and_the_disk_is_as_it_was,
        ],
    ];
    conformance::program(env!("CARGO_BIN_EXE_by-hand"), false, &[], tests)
}

fn the_call_that_is_named_is_refused_and_no_other(by_hand: &Stage) {
    let unshare = need("unshare");
    let unshare = unshare.to_str().expect("a path in UTF-8");
    let script = format!("{unshare} --user true || echo refused");
    let ran = by_hand.run(["refuse", "unshare", "sh", "-c", &script]);
    assert_eq!(ran.stdout, "refused\n", "{ran:?}");
    // Without root it takes what the filter does not refuse.
    by_hand.run(["refuse", "pivot_root", unshare, "--user", "true"]).ok();
}

fn a_call_without_a_name_here_is_refused_with_those_that_have_one(by_hand: &Stage) {
    by_hand.run(["refuse", "no\nsuch", "true"]).refused(&["no\\nsuch", "mount, pivot_root"]);
}

fn a_filter_stays_with_children(by_hand: &Stage) {
    let script = "sh -c 'grep -e ^NoNewPrivs -e ^Seccomp: /proc/self/status'";
    let said = by_hand.run(["refuse", "mount", "sh", "-c", script]).ok();
    assert_eq!(said, "NoNewPrivs:\t1\nSeccomp:\t2\n");
}

fn what_is_below_the_directory_can_be_written_and_nothing_else(by_hand: &Stage) {
    fs::create_dir_all("/tmp/yes/below").expect("mkdir");
    fs::create_dir("/tmp/no").expect("mkdir");
    fs::write("/tmp/no/old", "old").expect("write");
    let script = "echo 1 >/tmp/yes/below/a && mkdir /tmp/yes/b && cat /tmp/no/old
        for try in 'echo new >/tmp/no/old' 'echo >/tmp/no/new' 'rm /tmp/no/old' 'mkdir /tmp/no/d' 'mv /tmp/yes/b /tmp/no'; do
            sh -c \"$try\" 2>/tmp/yes/log && echo \"$try\"
        done; :";
    let ran = by_hand.run(["write-below", "/tmp/yes", "sh", "-c", script]);
    if ran.stderr.contains("Landlock") {
        skip("needs a kernel with Landlock");
    }
    assert_eq!(ran.ok(), "old");
    assert_eq!(fs::read_to_string("/tmp/no/old").expect("it is there"), "old");
    by_hand.run(["write-below", "/no/such\n", "true"]).refused(&["open", "/no/such\\n"]);
}

fn a_program_that_is_not_there_is_refused(by_hand: &Stage) {
    by_hand.run(["refuse", "mount", "/no/such\n"]).refused(&["execute", "/no/such\\n"]);
}

fn the_exit_status_is_the_programs(by_hand: &Stage) {
    assert_eq!(by_hand.run(["refuse", "mount", "sh", "-c", "exit 7"]).code, 7);
    assert_eq!(by_hand.run(["refuse", "mount", "sh", "-c", "kill -9 $$"]).code, 137);
}

/// Starts a process in namespaces of its own.
fn container() -> Container {
    let mut command = Command::new(need("unshare"));
    command.args(["--user", "--map-root-user", "--uts", "--ipc", "--net", "--pid", "--fork"]);
    command.args(["--mount-proc", "sh", "-c", "hostname kitchen; echo ready; sleep 1000"]);
    Container::start(&mut command)
}

fn a_process_in_a_container_is_one_in_all_its_namespaces(by_hand: &Stage) {
    let container = container();
    let inside = container.youngest();
    let script = "id -u; hostname; for kind in user mnt uts ipc net pid; do readlink /proc/self/ns/$kind; done; exit 7";
    let ran = by_hand.run(["enter", &inside.to_string(), "sh", "-c", script]);
    let kinds = ["user", "mnt", "uts", "ipc", "net", "pid"];
    let names = kinds.map(|kind| conformance::probe::namespace(inside, kind));
    let names = names.map(|name| name.display().to_string() + "\n").concat();
    assert_eq!((ran.stdout, ran.code), (format!("0\nkitchen\n{names}"), 7), "{}", ran.stderr);
}

fn a_process_that_is_gone_is_refused(by_hand: &Stage) {
    // No machine has that many: proc_sys_kernel(5), pid_max.
    by_hand.run(["enter", "2000000000", "true"]).refused(&["open process", "ESRCH"]);
}

/// Mounts version 2 of cgroups where nobody else sees it, and returns a new cgroup.
fn cgroup() -> String {
    unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .expect("make mounts private");
    mount(Some("none"), "/mnt", Some("cgroup2"), MsFlags::empty(), none).expect("mount cgroups");
    let cgroup = format!("/mnt/by-hand-{}", std::process::id());
    fs::create_dir(&cgroup).expect("mkdir");
    cgroup
}

fn a_child_is_in_its_cgroup_before_its_first_instruction(by_hand: &Stage) {
    let cgroup = cgroup();
    let script = "cat \"$0/cgroup.procs\"; echo $$; exit 7";
    let ran = by_hand.run(["born-in", &cgroup, "sh", "-c", script, &cgroup]);
    let members: Vec<&str> = ran.stdout.lines().collect();
    assert!(members[..members.len() - 1].contains(&members[members.len() - 1]), "{ran:?}");
    assert_eq!(ran.code, 7, "{ran:?}");
    // Nobody was moved: the parent is where it was.
    assert_eq!(fs::read_to_string(format!("{cgroup}/cgroup.procs")).expect("it is there"), "");
    fs::remove_dir(&cgroup).expect("rmdir");
    umount2("/mnt", MntFlags::MNT_DETACH).expect("umount");
}

fn what_is_no_cgroup_is_refused(by_hand: &Stage) {
    by_hand.run(["born-in", "/tmp", "true"]).refused(&["clone a child into /tmp", "EBADF"]);
}

fn a_mount_shows_owners_as_the_map_has_them_and_the_disk_is_as_it_was(by_hand: &Stage) {
    fs::create_dir("/tmp/data").expect("mkdir");
    fs::create_dir("/tmp/view").expect("mkdir");
    fs::write("/tmp/data/list", "flour").expect("write");
    let map = Output::of(
        Command::new("sh").args(["-c", "exec unshare --user sleep 1000 >/dev/null 2>&1 & sleep 0.3; for kind in uid gid; do echo 0 100000 65536 >/proc/$!/${kind}_map; done; echo $!"]),
    );
    let process = map.ok().trim().to_owned();
    let mapped = by_hand.run(["idmapped", &process, "/tmp/data", "/tmp/view"]);
    let owners =
        || Output::of(Command::new("stat").args(["-c", "%u", "/tmp/data/list", "/tmp/view/list"]));
    let seen = owners();
    let _ = Command::new("kill").arg(&process).status();
    if mapped.stderr.contains("EINVAL") {
        skip("needs a file system with idmapped mounts below /tmp");
    }
    mapped.ok();
    assert_eq!(seen.ok(), "0\n100000\n");
}
