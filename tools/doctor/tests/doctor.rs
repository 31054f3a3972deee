//! The doctor from outside: each cause is provoked, and the command that it advises is tried.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use common::rootfs;
use conformance::{As, Output, Stage, advised, follow, has, has_root, need, probe, skip, tests};
use conformance::{snapshot::Snapshot, terminal::Terminal};
use help::{ALL_BUT_CGROUPS, Report, before_and_after, sh};
use nix::errno::Errno;
use nix::libc;
use places::hide;
use seccomp::{filter, filtered, without_user_namespaces};
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

mod help;
mod limits;
mod places;
mod seccomp;

fn main() -> ExitCode {
    let mut tests = tests![
        &[As::Root, As::User] => [
            an_ordinary_machine_runs_stages_01_to_07,
            the_host_is_as_before,
            a_report_fits_its_page,
            colour_is_for_a_terminal_alone_and_no_color_is_honoured,
            limits::user_namespaces_switched_off_can_be_switched_on,
            limits::a_limit_of_namespaces_is_told_and_can_be_raised,
            limits::a_limit_of_mounts_that_are_in_no_place_yet_is_told_and_can_be_raised,
            limits::a_limit_of_namespaces_from_above_is_told_with_the_command_that_shows_the_others,
            limits::a_stage_that_takes_the_last_user_namespace_is_ready,
            root_of_a_user_namespace_in_the_mounts_of_its_host_gets_mounts_of_its_own,
            a_kind_of_namespace_that_the_kernel_lacks_is_told,
            a_seccomp_filter_against_user_namespaces_is_told,
            where_a_filter_refuses_unshare_it_is_not_offered,
            without_a_process_1_for_its_attempts_nothing_is_tried,
            a_missing_call_is_told_with_the_minimum,
            a_filter_that_refuses_a_call_which_takes_no_capability_is_told,
            places::a_default_root_directory_that_others_can_write_to_can_be_closed,
            places::a_default_root_directory_that_is_not_whole_can_be_made_anew,
            places::a_root_directory_is_made_where_there_is_none_and_nowhere_else,
            a_profile_for_apparmor_names_the_programs_of_this_folder,
            what_is_typed_in_a_learners_folder_is_for_that_folder_or_the_clone_is_named,
            places::a_file_in_the_place_of_a_root_directory_is_told_with_another_place,
            places::a_link_in_the_place_of_a_root_directory_is_removed_and_not_what_it_leads_to,
            without_an_id_nothing_runs_and_sudo_is_not_offered,
            a_snapshot_that_cannot_be_read_is_refused,
            limits::a_limit_of_open_files_or_of_their_size_is_told_and_can_be_raised,
            an_engine_is_known_by_the_environment_alone,
            a_report_that_cannot_be_written_is_an_error_and_one_that_is_cut_short_is_none,
        ],
        &[As::Root, As::Rootless] => [
            places::without_busybox_the_hosts_own_programs_are_told,
            places::without_any_programs_a_package_is_told,
            proc_can_be_mounted,
        ],
        &[As::Root] => [
            a_covered_proc_is_told,
            root_without_cap_sys_admin_is_told,
            root_without_cap_net_admin_gets_a_network_of_its_own,
            a_seccomp_filter_against_mounts_is_told,
            places::a_tmp_mounted_noexec_is_told_with_a_place_that_works,
            places::without_a_home_in_the_environment_a_place_is_told_by_its_whole_path,
            places::a_host_without_a_writable_place_is_told_to_mount_one,
            places::a_tmp_without_a_place_for_a_root_directory_is_told,
            places::a_default_root_directory_of_somebody_else_is_left_alone,
            places::two_default_root_directories_of_somebody_else_are_told,
            a_chroot_is_told,
            what_is_in_path_alone_is_offered_as_well,
            places::a_tmp_that_is_open_to_all_can_be_closed_by_its_owner,
            a_proc_that_is_read_only_is_told_and_can_be_mounted_anew,
            a_device_that_is_missing_is_told_and_can_be_made,
            root_without_cap_setfcap_is_told_for_each_stage,
            places::what_is_behind_a_missing_root_directory_is_told_as_well,
            another_network_in_the_place_of_the_bridges_is_told_and_left_alone,
            a_host_that_drops_what_it_forwards_can_accept_it,
        ],
        &[As::User] => [limits::a_limit_of_processes_is_told, what_an_ordinary_user_cannot_read_is_named, the_readme_shows_a_table],
    ];
    if std::env::var_os("THROW_AWAY_MACHINE").is_some() {
        tests.extend(tests![&[As::Root] => [debians_switch_can_be_switched_back]]);
    }
    conformance::program(env!("CARGO_BIN_EXE_doctor"), false, &[], tests)
}

/// Those of them that make a user namespace.
const WITH_USER_NAMESPACES: [&str; 3] = ["05-user", "06-network", "07-ipc"];

fn an_ordinary_machine_runs_stages_01_to_07(stage: &Stage) {
    let report = Report::now(stage);
    report.assert_states(&ALL_BUT_CGROUPS);
    assert_eq!(report.code, 0);
    let (_, way) = report.row("02-uts-hostname");
    let expected = if stage.who == As::Root { "cargo run" } else { "cargo rootless" };
    assert!(way.starts_with(&format!("{expected} -p uts-hostname")), "{way}");
    assert_eq!(report.row("06-network").1, "cargo run -p network");
}

fn the_host_is_as_before(stage: &Stage) {
    let (host, processes) = (Snapshot::take(), probe::processes());
    Report::now(stage);
    host.assert_unchanged();
    assert_eq!(probe::processes(), processes);
    assert!(!Path::new(rootfs::DEFAULT).exists());
}

fn a_report_fits_its_page(stage: &Stage) {
    let report = Report::of(&mut filtered(stage, &without_user_namespaces()));
    for line in report.text.lines() {
        // A command is to be copied, and so in one line.
        assert!(line.len() <= 100 || report.commands().iter().any(|c| line.contains(c)), "{line}");
    }
}

fn colour_is_for_a_terminal_alone_and_no_color_is_honoured(stage: &Stage) {
    assert!(!Report::now(stage).text.contains('\x1b'));
    Terminal::run(stage, "$0").see("\x1b[32mready\x1b[0m");
    Terminal::run(stage, "NO_COLOR=1 $0").see("05-user          ready  cargo run -p user");
}

fn root_of_a_user_namespace_in_the_mounts_of_its_host_gets_mounts_of_its_own(stage: &Stage) {
    let script = "\"$0\"; exec \"$0\" attempt 3";
    let with = ["--user", "--map-root-user", "sh", "-c", script];
    let output = Output::of(Command::new("unshare").args(with).arg(&stage.program));
    let report = Report { text: output.stdout, code: 0 };
    report.assert_states(&ALL_BUT_CGROUPS[..5]);
    assert_eq!(report.row("02-uts-hostname").1, "cargo run -p uts-hostname");
    assert_eq!(report.row("03-pid").1, "cargo rootless -p pid");
    assert!(report.text.contains("foreign-namespace"), "{}", report.text);
}

fn without_an_id_nothing_runs_and_sudo_is_not_offered(stage: &Stage) {
    let report = Report::of(Command::new("unshare").arg("--user").arg(&stage.program));
    for (folder, _) in ALL_BUT_CGROUPS {
        report.assert_cause(folder, "User namespaces are refused", &["EPERM", "You have no id"]);
    }
    assert!(!report.text.contains("as root"), "{}", report.text);
}

fn a_proc_that_is_read_only_is_told_and_can_be_mounted_anew(stage: &Stage) {
    let (before, after) = before_and_after(stage, &["env"], "mount -o remount,bind,ro /proc");
    before.assert_states(&ALL_BUT_CGROUPS[..4]);
    for folder in WITH_USER_NAMESPACES {
        let words = ["write", "Read-only", "mount -t proc proc /proc"];
        before.assert_cause(folder, "/proc is read-only", &words);
    }
    after.assert_states(&ALL_BUT_CGROUPS);
}

fn a_kind_of_namespace_that_the_kernel_lacks_is_told(stage: &Stage) {
    let flag = libc::CLONE_NEWIPC as u64;
    let masked = SeccompCmpOp::MaskedEq(flag);
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, masked, flag).unwrap();
    let rule = SeccompRule::new(vec![condition]).unwrap();
    let lacking = [filter(vec![(libc::SYS_clone, vec![rule])], Errno::EINVAL)];
    let report = Report::of(&mut filtered(stage, &lacking));
    report.assert_states(&ALL_BUT_CGROUPS[..6]);
    let title = "The kernel lacks a kind of namespace";
    report.assert_cause("07-ipc", title, &["CLONE_NEWIPC", "EINVAL", "built without"]);
}

fn debians_switch_can_be_switched_back(stage: &Stage) {
    let switch = "/proc/sys/kernel/unprivileged_userns_clone";
    if fs::write(switch, "0").is_err() {
        skip("needs a kernel with Debian's switch kernel.unprivileged_userns_clone");
    }
    let run = || {
        let ordinary = ["--reuid=1000", "--regid=1000", "--clear-groups"];
        Report::of(Command::new("setpriv").args(ordinary).arg(&stage.program))
    };
    let report = run();
    let title = "User namespaces are for root alone";
    let set = "sysctl kernel.unprivileged_userns_clone=1";
    let command = if has("sudo") { format!("sudo {set}") } else { format!("su -c '{set}'") };
    let words = ["EPERM", &command, "gives up: a layer"];
    report.assert_cause("05-user", title, &words);
    report.assert_cause("01-uts", title, &words);
    Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
    follow(&report.commands()[0]);
    run().assert_states(&ALL_BUT_CGROUPS);
}

fn a_seccomp_filter_against_user_namespaces_is_told(stage: &Stage) {
    let mut doctor = filtered(stage, &without_user_namespaces());
    let title = "A seccomp filter refuses user namespaces";
    let report = Report::of(&mut doctor);
    report.assert_cause("05-user", title, &["EPERM", ": start it outside of that."]);
    let words =
        ["EPERM", "docker run --security-opt seccomp=unconfined", "gives up: what keeps root"];
    let report = Report::of(doctor.env("container", "docker"));
    for folder in WITH_USER_NAMESPACES {
        report.assert_cause(folder, title, &words);
    }
    assert_eq!(report.code, 1);
    if stage.who == As::User {
        report.assert_cause("01-uts", title, &words);
    } else {
        report.assert_states(&ALL_BUT_CGROUPS[..4]);
    }
    // All that the option does is to leave the filter off.
    Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
}

fn where_a_filter_refuses_unshare_it_is_not_offered(stage: &Stage) {
    let refused = [filter(vec![(libc::SYS_unshare, vec![])], Errno::EPERM)];
    let report = Report::of(&mut filtered(stage, &refused));
    report.assert_states(&[("05-user", "ready"), ("06-network", "no")]);
    for alias in ["cargo rootless", "unshare --"] {
        assert!(!report.text.contains(alias), "{}", report.text);
    }
}

fn without_a_process_1_for_its_attempts_nothing_is_tried(stage: &Stage) {
    let options = ["--user", "--map-root-user", "--pid"];
    let line = Output::of(Command::new("unshare").args(options).arg(&stage.program))
        .refused(&["the first one of another PID namespace", "#children-elsewhere"]);
    let advice = advised(&line).remove(1);
    let (forked, _) = advice.split_once("cargo run -p doctor").unwrap();
    sh(stage, &format!("{forked} \"$0\" apparmor"));
}

fn a_missing_call_is_told_with_the_minimum(stage: &Stage) {
    for call in [libc::SYS_close_range, libc::SYS_pidfd_open] {
        let missing = [filter(vec![(call, vec![])], Errno::ENOSYS)];
        let report = Report::of(&mut filtered(stage, &missing));
        report.assert_cause("05-user", "The kernel is older than 5.11", &["Linux 5.11 or newer"]);
        assert_eq!(report.code, 1);
    }
}

fn a_filter_that_refuses_a_call_which_takes_no_capability_is_told(stage: &Stage) {
    for call in [
        libc::SYS_pidfd_open,
        libc::SYS_signalfd4,
        libc::SYS_setsid,
        libc::SYS_setpgid,
        libc::SYS_close_range,
    ] {
        let refused = [filter(vec![(call, vec![])], Errno::EPERM)];
        let report = Report::of(filtered(stage, &refused).env("container", "docker"));
        for (folder, _) in &ALL_BUT_CGROUPS {
            let title = "A seccomp filter refuses a system call";
            report.assert_cause(folder, title, &["EPERM", "docker run --security-opt seccomp"]);
        }
    }
    let no_links = [filter(vec![(libc::SYS_symlinkat, vec![])], Errno::EPERM)];
    let report = Report::of(&mut filtered(stage, &no_links));
    report.assert_cause("05-user", "A seccomp filter refuses a system call", &["link /dev/ptmx"]);
}

fn a_seccomp_filter_against_mounts_is_told(stage: &Stage) {
    let mounts = [filter(vec![(libc::SYS_mount, vec![])], Errno::EPERM)];
    let report = Report::of(filtered(stage, &mounts).env("container", "docker"));
    report.assert_states(&ALL_BUT_CGROUPS[..2]);
    for (folder, _) in &ALL_BUT_CGROUPS[2..] {
        let title = "A seccomp filter refuses a system call";
        report.assert_cause(folder, title, &["docker run --security-opt seccomp=unconfined"]);
    }
}

fn a_covered_proc_is_told(stage: &Stage) {
    // As Docker does it. In a user namespace the kernel cannot take such a mount away.
    sh(stage, "mount --bind /dev/null /proc/interrupts");
    let report = Report::now(stage);
    report.assert_states(&ALL_BUT_CGROUPS[..4]);
    for folder in WITH_USER_NAMESPACES {
        let words = ["mount /proc: EPERM", "umount /proc/interrupts"];
        report.assert_cause(folder, "Parts of /proc are covered", &words);
    }
    assert_eq!(report.code, 1);
    // An engine has an option for it.
    let engine = Report::of(stage.command().env("container", "podman"));
    let option = "podman run --security-opt seccomp=unconfined";
    engine.assert_cause("05-user", "Parts of /proc are covered", &[option, "unmask=ALL"]);
    follow(&report.commands()[0]);
    Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
}

/// Returns the doctor as root without a capability.
fn without(capability: &str, stage: &Stage) -> Command {
    let capability = format!("-{capability}");
    let mut setpriv = Command::new(need("setpriv"));
    setpriv.args(["--bounding-set", &capability, "--inh-caps", &capability]).arg(&stage.program);
    setpriv
}

fn root_without_cap_sys_admin_is_told(stage: &Stage) {
    let report = Report::of(&mut without("sys_admin", stage));
    assert_eq!(report.row("01-uts").1, "cargo rootless -p uts");
    report.assert_states(&ALL_BUT_CGROUPS);
    // Where there is no other way to it.
    hide("unshare");
    let report = Report::of(without("sys_admin", stage).env("container", "docker"));
    for (folder, _) in &ALL_BUT_CGROUPS[..4] {
        let words = ["EPERM", "--cap-add SYS_ADMIN", "gives up: what keeps root"];
        report.assert_cause(folder, "Root without CAP_SYS_ADMIN", &words);
    }
    report.assert_states(&ALL_BUT_CGROUPS[4..]);
    // What the option adds.
    Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
}

fn root_without_cap_net_admin_gets_a_network_of_its_own(stage: &Stage) {
    let report = Report::of(&mut without("net_admin", stage));
    report.assert_states(&ALL_BUT_CGROUPS[..5]);
    report.assert_cause("06-network", "Root without CAP_NET_ADMIN", &["brg0", "unshare --user"]);
    let command = &report.commands()[0];
    let (unshare, _) = command.split_once("cargo run -p network").unwrap();
    let setpriv = "setpriv --bounding-set -net_admin --inh-caps -net_admin";
    // In the inner user namespace the bounding set is still without it; the capability of its root is not
    // asked of the outer one.
    let script = format!("{setpriv} {unshare} \"$0\"");
    let report = Report::of(Command::new("sh").args(["-c", &script]).arg(&stage.program));
    report.assert_states(&ALL_BUT_CGROUPS);
}

fn another_network_in_the_place_of_the_bridges_is_told_and_left_alone(stage: &Stage) {
    need("ip");
    for (made, said) in [
        // As the address of a container is in its network: 06 in 06.
        ("ip link set lo up; ip addr add 10.10.10.2/24 dev lo", "10.10.10.0/24 is in use"),
        ("ip addr del 10.10.10.2/24 dev lo; ip link add brg0 type bridge", "not ours"),
        (
            "ip link del brg0; ip link add other type bridge; ip link prop add dev other altname brg0",
            "not ours",
        ),
    ] {
        sh(stage, made);
        let host = Snapshot::take();
        let report = Report::now(stage);
        report.assert_states(&ALL_BUT_CGROUPS[..5]);
        let title = "Another network has the bridge's name, or its addresses";
        report.assert_cause("06-network", title, &[said]);
        let commands = report.commands();
        let (unshare, _) = commands[0].split_once("cargo run -p network").unwrap();
        sh(stage, &format!("{unshare} \"$0\" >/tmp/report || true"));
        let report = Report { text: fs::read_to_string("/tmp/report").unwrap(), code: -1 };
        report.assert_states(&ALL_BUT_CGROUPS);
        fs::remove_file("/tmp/report").unwrap();
        host.assert_unchanged();
    }
}

fn proc_can_be_mounted(stage: &Stage) {
    sh(stage, "mount -t tmpfs none /proc");
    let line =
        stage.run([""; 0]).refused(&["mount -t proc proc /proc", "cargo doctor", "#no-proc"]);
    // In the user namespace of another PID namespace a new one is refused.
    if stage.who == As::Root {
        follow(&advised(&line)[0]);
        Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
    }
}

fn a_chroot_is_told(stage: &Stage) {
    stage.run(["root", "/tmp/root"]).ok();
    rootfs::install(&stage.program, Path::new("/tmp/root"), "doctor").unwrap();
    sh(stage, "mount -t proc proc /tmp/root/proc");
    let report = Report::of(Command::new("chroot").args(["/tmp/root", "/bin/doctor"]));
    report.assert_states(&ALL_BUT_CGROUPS[..3]);
    report.assert_cause("04-mount", "Started after a chroot", &["EINVAL", "chroot(2)"]);
    report.assert_cause("05-user", "User namespaces are refused", &["EPERM", "chroot(2)"]);
    // It is the same for root, and so for who has sudo(8).
    sh(stage, "cd /tmp/root; mkdir -p usr/bin tmp; chmod 1777 tmp");
    fs::write("/tmp/root/usr/bin/sudo", "").unwrap();
    let user = ["--userspec=1000:1000", "/tmp/root", "/bin/doctor"];
    let report =
        Report::of(Command::new("chroot").args(user).env("PATH", "/usr/sbin:/usr/bin:/bin"));
    for (folder, _) in &ALL_BUT_CGROUPS[..3] {
        report.assert_states(&[(*folder, "sudo")]);
    }
    report.assert_states(&[("04-mount", "no"), ("05-user", "no")]);
    // Outside of it is where these tests run.
    Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
}

fn what_is_in_path_alone_is_offered_as_well(stage: &Stage) {
    // As on NixOS.
    sh(stage, "mkdir /tmp/more; cp $(command -v unshare) /tmp/more; touch /tmp/more/sudo");
    hide("unshare");
    hide("sudo");
    let path = format!("/tmp/more:{}", std::env::var("PATH").unwrap());
    let ordinary = ["--reuid=1000", "--regid=1000", "--clear-groups"];
    let mut doctor = Command::new(need("setpriv"));
    let report = Report::of(doctor.args(ordinary).arg(&stage.program).env("PATH", path));
    let expected = "cargo rootless -p pid, or cargo as-root -p pid";
    assert_eq!(report.row("03-pid"), ("ready", expected));
}

fn a_device_that_is_missing_is_told_and_can_be_made(stage: &Stage) {
    sh(
        stage,
        "mount -t tmpfs -o mode=755,nosuid dev /mnt
        for name in full null random tty urandom zero; do
            touch /mnt/$name; mount --bind /dev/$name /mnt/$name
        done
        mkdir /mnt/pts /mnt/shm; mount --rbind /mnt /dev",
    );
    // A file would keep what a container writes to it.
    for (name, numbers, instead) in
        [("tty", "5 0", ""), ("null", "1 3", ""), ("null", "1 3", "touch"), ("tty", "5 0", "mkdir")]
    {
        let make = format!("mknod -m 666 /dev/{name} c {numbers}");
        let (put, said, command) = if instead.is_empty() {
            (String::new(), "ENOENT", make)
        } else {
            let move_away = format!("mv -T /dev/{name} /dev/{name}.old");
            (format!("{instead} /dev/{name};"), "is no device", format!("{move_away} && {make}"))
        };
        // In one go: nothing can be started here without /dev/null.
        let script = format!(
            "umount -l /dev/{name} 2>/tmp/log; rm /dev/{name}; {put} \"$0\" || true; {command}"
        );
        let report = Report { text: sh(stage, &script), code: -1 };
        report.assert_states(&ALL_BUT_CGROUPS[..3]);
        for (folder, _) in &ALL_BUT_CGROUPS[3..] {
            let title = "A device is missing in /dev";
            report.assert_cause(folder, title, &[said, &command]);
        }
        assert_eq!(report.commands()[0], command);
        Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
    }
}

fn root_without_cap_setfcap_is_told_for_each_stage(stage: &Stage) {
    let report = Report::of(without("setfcap", stage).env("container", "docker"));
    report.assert_states(&ALL_BUT_CGROUPS[..4]);
    for (folder, _) in &ALL_BUT_CGROUPS[4..] {
        report.assert_cause(folder, "Root without CAP_SETFCAP", &["--cap-add SETFCAP"]);
    }
    // What the option adds.
    Report::now(stage).assert_states(&ALL_BUT_CGROUPS);
}

fn an_engine_is_known_by_the_environment_alone(stage: &Stage) {
    for (name, value, command) in [
        ("container", "podman", "podman run --security-opt"),
        ("container", "systemd-nspawn", "systemd-nspawn --system-call-filter=@known"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1", "kubectl run containers -it"),
    ] {
        let mut doctor = filtered(stage, &without_user_namespaces());
        let report = Report::of(doctor.env(name, value));
        let title = "A seccomp filter refuses user namespaces";
        report.assert_cause("05-user", title, &[command]);
        assert!(!report.text.contains("docker run"), "{}", report.text);
    }
}

fn a_host_that_drops_what_it_forwards_can_accept_it(stage: &Stage) {
    need("iptables");
    if fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "1").is_err() {
        skip("needs the kernel module br_netfilter");
    }
    let (before, after) = before_and_after(stage, &["env"], "iptables -P FORWARD DROP");
    before.assert_states(&ALL_BUT_CGROUPS);
    let title = "Packets between containers are dropped";
    before.assert_cause("06-network", title, &["iptables -I FORWARD", "gives up: nothing"]);
    assert_eq!(after.row("06-network").1, "cargo run -p network");
}

fn a_profile_for_apparmor_names_the_programs_of_this_folder(stage: &Stage) {
    let profile = stage.run(["apparmor"]).ok();
    for word in ["\"/tmp/under-test/*\"", "userns,", "abi <abi/4.0>"] {
        assert!(profile.contains(word), "{word}: {profile}");
    }
    // Where Cargo has built it, the tests and the workshop are not far.
    fs::create_dir_all("/tmp/folder/target/debug").unwrap();
    fs::copy(&stage.program, "/tmp/folder/target/debug/doctor").unwrap();
    let profile = Output::of(Command::new("/tmp/folder/target/debug/doctor").arg("apparmor")).ok();
    assert!(profile.contains("\"/tmp/folder/{,workshop/}target/debug/{,deps/}*\""), "{profile}");
    if Path::new("/etc/apparmor.d/abi/4.0").exists() && Path::new("/sbin/apparmor_parser").exists()
    {
        let check = "\"$0\" apparmor | /sbin/apparmor_parser --skip-kernel-load --skip-cache";
        sh(stage, check);
    }
}

fn what_is_typed_in_a_learners_folder_is_for_that_folder_or_the_clone_is_named(stage: &Stage) {
    for folder in ["/tmp/the clone/tools/doctor", "/tmp/the clone/workshop", "/tmp/mine/stages"] {
        fs::create_dir_all(folder).unwrap();
    }
    for workspace in ["/tmp/the clone", "/tmp/the clone/workshop", "/tmp/mine"] {
        fs::write(Path::new(workspace).join("Cargo.lock"), "").unwrap();
    }
    let typed_in = |folder: &str, words: &[&str]| {
        let mut command = stage.command();
        // As Cargo does it.
        command.env("CARGO_MANIFEST_DIR", "/tmp/the clone/tools/doctor").current_dir(folder);
        Output::of(command.args(words)).stdout
    };
    let line = "\nThese commands are for the clone: cd '/tmp/the clone'\n";
    for (folder, workspace) in [
        ("/tmp/mine/stages", Some("/tmp/mine")),
        ("/tmp/the clone/workshop", Some("/tmp/the clone/workshop")),
        ("/tmp/the clone/tools", None),
        ("/usr", None),
    ] {
        assert_eq!(typed_in(folder, &[]).contains(line), workspace.is_some(), "{folder}");
        let profile = typed_in(folder, &["apparmor"]);
        let of_learner = profile.split("profile containers-exercises \"").nth(1);
        let programs = of_learner.and_then(|rest| rest.split('"').next());
        let expected = workspace.map(|workspace| format!("{workspace}/target/debug/{{,deps/}}*"));
        assert_eq!(programs, expected.as_deref(), "{folder}: {profile}");
    }
}

fn a_snapshot_that_cannot_be_read_is_refused(stage: &Stage) {
    stage.run(["compare", "/tmp/missing"]).refused(&["/tmp/missing", "No such file"]);
    fs::write("/tmp/file", "{}").unwrap();
    stage.run(["compare", "/tmp/file"]).refused(&["/tmp/file", "no snapshot"]);
    stage.run(["snapshot", "/no/such/file"]).refused(&["/no/such/file", "No such file"]);
    assert_eq!(stage.run(["compare"]).code, 2);
}

fn a_report_that_cannot_be_written_is_an_error_and_one_that_is_cut_short_is_none(stage: &Stage) {
    let shell =
        |script: &str| Output::of(Command::new("sh").args(["-c", script]).arg(&stage.program));
    for command in ["", " apparmor"] {
        let full = shell(&format!("exec \"$0\"{command} >/dev/full"));
        full.refused(&["write to standard output", "No space left on device"]);
    }
    let cut_short = shell("(\"$0\"; echo $? >&2) | true");
    assert_eq!(cut_short.stderr, "0\n");
}

fn what_an_ordinary_user_cannot_read_is_named(stage: &Stage) {
    let output = stage.run(["snapshot", "/tmp/file"]);
    assert_eq!(output.stderr, "not readable, and so not compared: nft rules\n");
}

fn the_readme_shows_a_table(stage: &Stage) {
    let readme = include_str!("../../../README.md");
    let shown = readme.split_once("$ cargo doctor\n").unwrap().1.split_once("```").unwrap().0;
    // With sudo, wherever this runs.
    fs::create_dir("/tmp/bin").unwrap();
    fs::write("/tmp/bin/sudo", "").unwrap();
    let path = format!("{}:/tmp/bin", std::env::var("PATH").unwrap());
    let report = Report::of(stage.command().env("PATH", path));
    let rows = shown.lines().filter(|line| line.starts_with('0'));
    // Whether stage 08 runs depends on the cgroup that this test was started in.
    let rows: Vec<_> =
        rows.filter(|row| !row.starts_with("08") || report.text.contains("sudo  ")).collect();
    assert!(rows.len() >= 7, "{rows:?}");
    for row in rows {
        // Nobody becomes root where there is none.
        let row = if has_root() { row } else { row.split(", or cargo as-root").next().unwrap() };
        assert!(report.text.lines().any(|line| line == row), "{row:?} is not in {}", report.text);
    }
}
