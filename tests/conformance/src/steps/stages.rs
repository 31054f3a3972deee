//! The steps of each stage.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::rootfs;
use nix::unistd::{Pid, getegid, geteuid, getpid};
use testbed::{cgroup, probe};

use super::{Step, dev, says, says_with, should_be, should_have, should_not_be, steps};
use crate::{Container, Output, Stage, Test, Traits, escape, gets, need, queues, reach};

/// Returns what is known of a stage.
pub(super) fn of(stage: &str) -> Option<(Traits, Vec<Step>)> {
    let (namespaces, steps): (&[_], fn(Traits) -> Vec<Step>) = match stage {
        "02-uts-hostname" => (&["uts"], uts_hostname),
        "03-pid" => (&["pid", "uts"], pid),
        "04-mount" => (&["mnt", "pid", "uts"], mount),
        "05-user" => (&["mnt", "pid", "user", "uts"], user),
        "06-network" => (&["mnt", "net", "pid", "user", "uts"], network),
        "07-ipc" => (&["ipc", "mnt", "net", "pid", "user", "uts"], ipc),
        "08-cgroups" => (&["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"], cgroups),
        _ => return None,
    };
    let root_directory = stage != "02-uts-hostname";
    let traits = Traits { namespaces, sets_hostname: true, root_directory };
    Some((traits, steps(traits)))
}

fn uts_hostname(traits: Traits) -> Vec<Step> {
    steps![traits,
        "1 and 2" "book/src/02-uts-hostname.md#shell and uts_namespaces(7)" => the_program_starts_itself_again,
        "3" "book/src/02-uts-hostname.md#failure and sethostname(2)" => the_hostname_is_nshost_inside_alone,
        "4" "book/src/02-uts-hostname.md#run" => the_name_is_an_option,
        "4" "sethostname(2), ERRORS" => a_name_that_is_too_long_is_named,
    ]
}

fn pid(traits: Traits) -> Vec<Step> {
    steps![traits,
        "1" "book/src/03-pid.md#failure and pid_namespaces(7)" => the_first_process_is_number_1,
        "2" "book/src/03-pid.md#run" => the_root_directory_is_an_option,
        "3" "book/src/03-pid.md#run" => the_shell_starts_in_the_root_directory,
        "4" "book/src/03-pid.md#run" => the_shell_has_an_environment_of_its_own,
        "5" "book/src/03-pid.md#shell and chroot(2)" => the_root_directory_is_the_shells,
        "5" "book/src/03-pid.md#shell and proc(5)" => proc_shows_the_container,
        "6" "umount2(2), MNT_DETACH" => proc_is_taken_away,
        "6" "umount2(2), MNT_DETACH" => proc_is_taken_away_when_the_start_fails,
        "7" "book/src/03-pid.md#shell and wait(2)" => orphans_are_waited_for,
    ]
}

fn mount(traits: Traits) -> Vec<Step> {
    steps![traits,
        "1" "book/src/04-mount.md#failure and mount_namespaces(7)" => the_mounts_are_in_a_new_namespace,
        "3" "book/src/04-mount.md#shell and mount_namespaces(7)" => the_host_sees_no_mount_of_the_container,
        "4" "book/src/04-mount.md#shell and mount(2), \"Creating a bind mount\"" => the_root_is_a_mount,
        "5" "tmpfs(5)" => a_tmpfs_is_on_temp,
        "6" "mount(2), \"Creating a bind mount\"" => dev::the_devices_are_the_hosts,
        "6" "pts(4)" => dev::terminals_are_those_of_the_container,
        "6" "shm_overview(7) and tmpfs(5)" => dev::memory_can_be_shared,
        "7" "book/src/04-mount.md#failure and pivot_root(2)" => the_root_cannot_be_left,
    ]
}

fn user(traits: Traits) -> Vec<Step> {
    steps![traits,
        "1 and 2" "book/src/05-user.md#maps and user_namespaces(7)" => root_inside_is_the_caller_outside,
        "2" "book/src/05-user.md#setgroups and user_namespaces(7)" => one_group_is_mapped,
    ]
}

fn network(traits: Traits) -> Vec<Step> {
    steps![traits,
        "2" "book/src/before-you-start.md#options" => an_address_is_an_option,
        "2" "book/src/06-network.md#run" => a_helper_is_an_option,
        "3" "book/src/06-network.md#failure and network_namespaces(7)" => the_network_is_new,
        "4" "book/src/06-network.md#failure and user_namespaces(7)" => the_launcher_is_in_a_network_where_it_may_make_a_bridge,
        "4" "book/src/06-network.md#go" => with_a_helper_the_launcher_stays_where_it_is,
        "5" "book/src/06-network.md#shell" => the_loopback_answers,
        "5" "book/src/06-network.md#shell" => the_bridge_answers,
        "5" "book/src/06-network.md#go" => a_helper_that_fails_ends_the_start,
    ]
}

fn ipc(traits: Traits) -> Vec<Step> {
    steps![traits,
        "1" "book/src/07-ipc.md#failure and ipc_namespaces(7)" => queues_of_the_host_are_not_inside,
        "2" "book/src/07-ipc.md#shell and mq_overview(7)" => queues_are_files_in_dev_mqueue,
    ]
}

fn cgroups(traits: Traits) -> Vec<Step> {
    steps![traits,
        "2" "book/src/08-cgroups.md#run" => a_limit_is_an_option,
        "3" "book/src/08-cgroups.md#shell and cgroups(7)" => the_limit_is_in_the_containers_cgroup,
        "3" "book/src/08-cgroups.md#shell and cgroups(7)" => the_cgroup_is_removed,
        "4" "book/src/08-cgroups.md#shell and cgroup_namespaces(7)" => the_container_reads_that_it_is_in_the_root,
    ]
}

/// A script that says so when it runs, and then waits.
pub(super) const WAIT: &str = "echo ready; exec sleep 1000";

/// Starts a container that waits. Where none starts, that is what is wrong.
fn start(stage: &Stage) -> Container {
    should_be("a start, with `-c true`", says(stage, "true"), "");
    stage.start(WAIT)
}

/// The first process of a container.
fn first(container: &Container) -> Pid {
    *container.descendants().first().unwrap_or(&container.launcher())
}

fn own(pid: Pid, kind: &str) -> String {
    probe::namespace(pid, kind).display().to_string()
}

fn the_program_starts_itself_again(stage: &Stage) {
    let container = start(stage);
    let first = first(&container);
    let command = probe::read(first, "cmdline");
    let name = command.split('\0').next().unwrap_or_default();
    should_be("the name that the container's first process was started by", name, "ns_init");
    should_not_be("its UTS namespace", own(first, "uts"), own(getpid(), "uts"));
    should_be("the shell's UTS namespace", own(container.youngest(), "uts"), own(first, "uts"));
}

fn the_hostname_is_nshost_inside_alone(stage: &Stage) {
    should_be("the hostname inside", says(stage, "hostname"), "nshost");
    let container = stage.start(WAIT);
    should_be("the host's name meanwhile", crate::hostname(), crate::HOSTNAME);
    drop(container);
    should_be("the host's name afterwards", crate::hostname(), crate::HOSTNAME);
}

fn the_name_is_an_option(stage: &Stage) {
    let said = says_with(stage, &["--nshostname", "box", "-c", "hostname"]);
    should_be("the hostname with --nshostname box", said, "box");
}

fn a_name_that_is_too_long_is_named(stage: &Stage) {
    let name = "n".repeat(65);
    let output = stage.run(["--nshostname", &name, "-c", "true"]);
    should_be("the exit status with a name of 65 bytes", output.code, 1);
    should_have("what is said to a name of 65 bytes", &output.stderr, &name);
    should_have("what is said to a name of 65 bytes", &output.stderr, "at most 64 bytes");
}

fn the_first_process_is_number_1(stage: &Stage) {
    let container = start(stage);
    let numbers = probe::status(first(&container), "NSpid");
    let inner = numbers.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    should_be("the number of the container's first process inside", inner, 1);
}

fn the_root_directory_is_an_option(stage: &Stage) {
    let said = says_with(stage, &["--rootfs", rootfs::DEFAULT, "-c", "true"]);
    should_be("what is said to --rootfs", said, "");
}

fn the_shell_starts_in_the_root_directory(stage: &Stage) {
    let container = start(stage);
    let directory = fs::read_link(format!("/proc/{}/cwd", container.youngest()));
    let directory = directory.expect("the shell is there");
    should_be(
        "the shell's working directory, seen from outside",
        directory.display(),
        rootfs::DEFAULT,
    );
}

fn the_shell_has_an_environment_of_its_own(stage: &Stage) {
    let mut command = stage.command();
    command.env("HOST_SECRET", "known").env("HOME", "/home/somebody").args(["-c", WAIT]);
    let container = Container::start(&mut command);
    let variables = probe::read(first(&container), "environ");
    let mut names: Vec<_> = variables
        .split_terminator('\0')
        .filter_map(|variable| variable.split('=').next())
        .collect();
    names.sort();
    should_be("the variables of the container's first process", names.join(" "), "HOME PATH TERM");
    let home = variables.split('\0').find_map(|variable| variable.strip_prefix("HOME="));
    should_not_be("its HOME", home.unwrap_or_default(), "/home/somebody");
}

fn the_root_directory_is_the_shells(stage: &Stage) {
    let container = start(stage);
    let root = fs::read_link(container.outside(""));
    let root = root.expect("the shell is there");
    should_be("the shell's root directory", root.display(), rootfs::DEFAULT);
    should_be("the shell's working directory", says(stage, "pwd"), "/");
}

fn proc_shows_the_container(stage: &Stage) {
    should_be("the processes in /proc", says(stage, "cd /proc; echo [0-9]*"), "1 2");
    let mounted = says(stage, "grep ' /proc .* - proc ' /proc/self/mountinfo | tail -n 1");
    should_have("how it is mounted", mounted, "nosuid,nodev,noexec");
}

/// The mounts of the host that are below the container's root directory.
fn mounts_below_root() -> String {
    let mounts = probe::mounts(getpid());
    let below = |mount: &&String| mount.contains(rootfs::DEFAULT);
    mounts.iter().filter(below).cloned().collect::<Vec<_>>().join("\n")
}

fn proc_is_taken_away(stage: &Stage) {
    let before = mounts_below_root();
    says(stage, "sleep 100 & true");
    should_be("the host's mounts in the root directory afterwards", mounts_below_root(), before);
}

fn proc_is_taken_away_when_the_start_fails(stage: &Stage) {
    need("setpriv");
    says(stage, "true");
    let before = mounts_below_root();
    // Without CAP_SYS_CHROOT, chroot(2) says EPERM, after the mount.
    let mut setpriv = Command::new("setpriv");
    setpriv.arg("--bounding-set=-sys_chroot").arg(&stage.program).args(["-c", "true"]);
    let output = Output::of(&mut setpriv);
    should_be("the exit status where chroot(2) fails", output.code, 1);
    should_be("the host's mounts in the root directory then", mounts_below_root(), before);
}

fn orphans_are_waited_for(stage: &Stage) {
    let mut container = stage
        .start("(sleep 0.05 &); (sleep 0.05 &); echo ready; sleep 0.5; echo late; exec sleep 1000");
    container.line();
    let init = first(&container);
    gets_or_says(init);
    let status = stage.sh("(sleep 100 &); exit 7").code;
    should_be("the exit status of a shell that leaves a job behind", status, 7);
}

/// Waits until a process has one child.
fn gets_or_says(init: Pid) {
    let alone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        probe::children(init).len() == 1
    });
    if !alone {
        let children = probe::children(init).len();
        should_be("the children of process 1 when all but the shell have ended", children, 1);
    }
}

fn the_mounts_are_in_a_new_namespace(stage: &Stage) {
    let container = start(stage);
    let kind = own(first(&container), "mnt");
    should_not_be("the mount namespace of the container", kind, own(getpid(), "mnt"));
}

fn the_host_sees_no_mount_of_the_container(stage: &Stage) {
    let before = mounts_below_root();
    let _container = start(stage);
    should_be("the host's mounts in the root directory meanwhile", mounts_below_root(), before);
}

fn the_root_is_a_mount(stage: &Stage) {
    let container = start(stage);
    let mounts = probe::read(container.youngest(), "mounts");
    let places: Vec<_> = mounts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    let root = places.iter().find(|place| **place == "/");
    should_be("the mount that is the container's root", root.unwrap_or(&"none"), "/");
}

fn a_tmpfs_is_on_temp(stage: &Stage) {
    let mounts = says(stage, "grep ' /temp ' /proc/mounts");
    should_have("what is mounted on /temp", &mounts, "godir /temp tmpfs rw");
    should_have("what is mounted on /temp", &mounts, "size=65536k");
}

fn the_root_cannot_be_left(stage: &Stage) {
    should_be("a program that tries to leave the root directory", escape::escapes(stage), false);
    let container = stage.start(WAIT);
    let root = fs::read_link(container.outside(""));
    should_be("the shell's root directory", root.expect("it is there").display(), "/");
}

fn root_inside_is_the_caller_outside(stage: &Stage) {
    should_be("the user inside", says(stage, "id -u"), 0);
    let container = stage.start(WAIT);
    let kind = own(first(&container), "user");
    should_not_be("the user namespace of the container", kind, own(getpid(), "user"));
    should_be("its users", map(&container, "uid_map"), format!("0 {} 1", geteuid()));
}

fn one_group_is_mapped(stage: &Stage) {
    let container = start(stage);
    should_be("its groups", map(&container, "gid_map"), format!("0 {} 1", getegid()));
}

fn map(container: &Container, file: &str) -> String {
    let text = probe::read(container.youngest(), file);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn an_address_is_an_option(stage: &Stage) {
    let said = says_with(stage, &["--address", "10.10.10.77", "-c", "true"]);
    should_be("what is said to --address 10.10.10.77", said, "");
    let code = stage.run(["--address", "here", "-c", "true"]).code;
    should_be("the exit status with --address here", code, 2);
}

fn a_helper_is_an_option(stage: &Stage) {
    let said = says_with(stage, &["--netsetgo", "/bin/true", "-c", "true"]);
    should_be("what is said to --netsetgo /bin/true", said, "");
    let both = ["--address", "10.10.10.2", "--netsetgo", "x", "-c", "true"];
    should_be("the exit status with both options", stage.run(both).code, 2);
}

fn the_network_is_new(stage: &Stage) {
    let container = start(stage);
    let kind = own(first(&container), "net");
    should_not_be("the network namespace of the container", kind, own(getpid(), "net"));
}

fn the_launcher_is_in_a_network_where_it_may_make_a_bridge(stage: &Stage) {
    let container = start(stage);
    let launcher = own(container.launcher(), "net");
    should_not_be(
        "an ordinary user's launcher's network namespace",
        &launcher,
        own(getpid(), "net"),
    );
    let inside = own(first(&container), "net");
    should_not_be("the network namespace of the container", inside, &launcher);
    let users = map_of(container.launcher(), "uid_map");
    should_be("the launcher's users", users, format!("{0} {0} 1", geteuid()));
    let output = Output::of(stage.command().env("RUST_LOG", "info").args(["-c", "true"]));
    should_have(
        "what RUST_LOG=info shows",
        output.stderr,
        "not root: the bridge is not on the host",
    );
}

fn map_of(pid: Pid, file: &str) -> String {
    probe::read(pid, file).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a program that plays the helper.
fn write_helper(text: &str) {
    fs::write("/tmp/helper", text).expect("/tmp can be written to");
    fs::set_permissions("/tmp/helper", fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn with_a_helper_the_launcher_stays_where_it_is(stage: &Stage) {
    write_helper("#!/bin/sh\necho \"$1\" >/tmp/said; readlink /proc/self/ns/net >>/tmp/said\n");
    says_with(stage, &["--netsetgo", "/tmp/helper", "-c", "true"]);
    let said = fs::read_to_string("/tmp/said").unwrap_or("nothing: it was not called".into());
    let expected = format!("-pid\n{}", own(getpid(), "net"));
    should_be(
        "the helper's first argument, and the network namespace that it is called in",
        said.trim(),
        expected,
    );
}

fn the_loopback_answers(stage: &Stage) {
    reach::install(stage);
    should_be("a call of 127.0.0.1", says(stage, &reach::command("127.0.0.1", 5)), "");
}

fn the_bridge_answers(stage: &Stage) {
    reach::install(stage);
    should_be("a call of the bridge", says(stage, &reach::command("10.10.10.1", 5)), "");
    should_be("the container's address", says(stage, reach::OWN_ADDRESS), "10.10.10.2/24");
}

fn a_helper_that_fails_ends_the_start(stage: &Stage) {
    write_helper("#!/bin/sh\nexit 3\n");
    let output = stage.run(["--netsetgo", "/tmp/helper", "-c", "echo started"]);
    should_be("what the container says when the helper has failed", output.stdout, "");
    should_have("what is said then", &output.stderr, "/tmp/helper -pid");
    should_have("what is said then", &output.stderr, "exit status: 3");
}

fn queues_of_the_host_are_not_inside(stage: &Stage) {
    let container = start(stage);
    let kind = own(first(&container), "ipc");
    should_not_be("the IPC namespace of the container", kind, own(getpid(), "ipc"));
    queues::make_outside(7);
    should_be("the host's queues, seen inside", queues::seen_inside(stage, 7), queues::NEITHER);
}

fn queues_are_files_in_dev_mqueue(stage: &Stage) {
    let mounted = says(stage, "grep ' /dev/mqueue ' /proc/mounts");
    should_have("what is mounted on /dev/mqueue", mounted, "/dev/mqueue mqueue rw,nosuid");
    queues::make_inside(stage, 9);
    let listed = says(stage, "/bin/queues make 9; ls /dev/mqueue");
    should_have("the files in it when there is a queue", listed, "queue-9");
}

fn a_limit_is_an_option(stage: &Stage) {
    should_be(
        "what is said to --pids-max 9",
        says_with(stage, &["--pids-max", "9", "-c", "true"]),
        "",
    );
    let code = stage.run(["--pids-max", "few", "-c", "true"]).code;
    should_be("the exit status with --pids-max few", code, 2);
}

fn the_limit_is_in_the_containers_cgroup(stage: &Stage) {
    for (args, limit) in [(vec![], "20"), (vec!["--pids-max", "9"], "9")] {
        let mut command = stage.command();
        command.args(args).args(["-c", WAIT]);
        let container = Container::start(&mut command);
        let cgroup = cgroup::of_controller(container.youngest(), "pids").unwrap_or_default();
        let shown = fs::read_to_string(Path::new(&cgroup).join("pids.max"));
        let shown = shown.unwrap_or_else(|error| error.to_string());
        should_be("pids.max of the container's cgroup", shown.trim(), limit);
    }
}

fn the_cgroup_is_removed(stage: &Stage) {
    let own = cgroup::own().expect("the test has a cgroup");
    let before = cgroup::children(&own).len();
    says(stage, "exit 3");
    let left = || cgroup::children(&own).len();
    if !gets(|| left() == before) {
        should_be("how many cgroups are left afterwards", left(), before);
    }
}

fn the_container_reads_that_it_is_in_the_root(stage: &Stage) {
    let container = start(stage);
    let kind = own(container.youngest(), "cgroup");
    should_not_be("the cgroup namespace of the container", kind, own(getpid(), "cgroup"));
    let read = says(stage, "grep -E '^0:|pids' /proc/self/cgroup");
    let path = read.lines().next().and_then(|line| line.rsplit(':').next()).unwrap_or_default();
    should_be("the container's path in /proc/self/cgroup", path, "/");
}
