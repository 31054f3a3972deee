//! The table, asked for hosts that are made up.

use anyhow::{Context, Error};
use nix::errno::Errno;
use nix::sched::CloneFlags;

use super::*;
use crate::host_facts::{Caller, Cgroups, Engine, RootMount};
use crate::quote::quoted;
use crate::reexec::{Call, Step};

/// An ordinary user on an ordinary machine.
fn user() -> HostFacts {
    HostFacts {
        package: "pid".into(),
        max_user_namespaces: Some(100),
        sudo: true,
        systemd: true,
        sysctl: true,
        unshare: true,
        ..HostFacts::default()
    }
}

/// Root of a user namespace.
fn namespace_root() -> HostFacts {
    HostFacts { root: true, cap_sys_admin: true, cap_setfcap: true, user_namespace: true, ..user() }
}

/// Who is in a container of an engine, or root.
fn caller(root: bool, engine: Option<Engine>) -> Caller {
    Caller { root, engine, ..Caller::default() }
}

fn in_docker(facts: HostFacts) -> HostFacts {
    HostFacts { caller: caller(facts.root, Some(Engine::Docker)), ..facts }
}

/// The page for readers.
const BOOK: &str = include_str!("../../../book/src/when-it-does-not-work.md");

#[test]
fn a_process_that_cannot_be_made_is_a_limit_of_processes_whoever_makes_it() {
    for step in [Step::Clone(CloneFlags::empty()), Step::Prepare(Call::Fork)] {
        let error = Error::new(Errno::EAGAIN).context(step);
        assert_advice(error, &user(), &["limit of processes", "ulimit -u"]);
    }
}

#[test]
fn the_book_has_a_heading_for_each_cause_in_the_order_of_the_table() {
    let headings: Vec<_> = BOOK.lines().filter(|line| line.contains("{#")).collect();
    let expected = |row: &Row| format!("## {} {{#{}}}", row.title, row.id);
    assert_eq!(headings, rows().map(expected).collect::<Vec<_>>());
}

#[test]
fn each_cause_has_its_row_in_the_order_of_the_list() {
    let causes: Vec<_> = rows().map(|row| row.cause as usize).collect();
    assert_eq!(causes, (0..=Cause::NoBusybox as usize).collect::<Vec<_>>());
}

#[track_caller]
fn assert_advice(error: Error, facts: &HostFacts, words: &[&str]) -> Diagnosis {
    let diagnosis = diagnose(&error, facts).expect("advice");
    let advice = diagnosis.to_string();
    for word in words {
        assert!(advice.contains(word), "{word:?} is not in {advice:?}");
    }
    assert_eq!(advice.lines().count(), 1);
    let (_, more) = advice.rsplit_once(". More: `cargo doctor`, and ").expect("a pointer");
    assert!(more.starts_with(&format!("{PAGE}#")), "{more}");
    diagnosis
}

fn cloning(errno: Errno, flags: CloneFlags) -> Error {
    Error::new(errno).context(Step::Clone(flags))
}

#[test]
fn an_ordinary_user_gets_both_ways_to_root() {
    let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWPID);
    assert_advice(error, &user(), &["cargo as-root -p pid", "cargo rootless -p pid"]);
}

#[test]
fn a_debian_kernel_that_keeps_user_namespaces_for_root_is_told_by_its_sysctl() {
    let facts = HostFacts { unprivileged_userns_clone: Some(0), ..user() };
    let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
    assert_advice(error, &facts, &["sudo sysctl kernel.unprivileged_userns_clone=1"]);
}

#[test]
fn a_container_without_the_right_to_make_namespaces_is_told_by_its_seccomp_filter() {
    let facts = HostFacts { seccomp: true, ..in_docker(user()) };
    let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
    assert_advice(error, &facts, &["docker run", "seccomp=unconfined"]);
}

#[test]
fn an_injected_ubuntu_is_offered_a_profile_first_and_the_sysctl_second() {
    let facts = HostFacts { apparmor_restrict_unprivileged_userns: Some(1), ..namespace_root() };
    let error = Err::<(), _>(Errno::EPERM).context("set the hostname").unwrap_err();
    assert_advice(
        error,
        &facts,
        &["cargo doctor apparmor | sudo apparmor_parser -r` or `sudo sysctl \
             kernel.apparmor_restrict_unprivileged_userns=0"],
    );
    let own_maps = || Error::new(Errno::EPERM).context(Step::Map("uid_map", "0 0 1".into()));
    assert_advice(own_maps(), &facts, &["AppArmor"]);
    // The restriction is for ordinary users alone.
    let root = HostFacts { user_namespace: false, ..facts };
    assert_eq!(diagnose(&own_maps(), &root), None);
}

#[test]
fn an_injected_ubuntu_host_is_not_why_its_containers_seccomp_filter_refuses() {
    let restricted =
        HostFacts { seccomp: true, apparmor_restrict_unprivileged_userns: Some(1), ..user() };
    let error = || cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
    // A terminal of the desktop may have a filter of its own.
    assert_advice(error(), &restricted, &["AppArmor"]);
    let container = HostFacts { caller: caller(false, Some(Engine::Docker)), ..restricted };
    assert_advice(error(), &container, &["seccomp filter refuses"]);
}

#[test]
fn an_injected_wsl_1_is_told_to_become_wsl_2() {
    let facts = HostFacts { wsl: Some(1), ..user() };
    let error = cloning(Errno::EINVAL, CloneFlags::CLONE_NEWUSER);
    assert_advice(error, &facts, &["WSL 1", "wsl.exe --set-version"]);
}

#[test]
fn an_injected_kernel_without_close_range_is_named_with_the_minimum() {
    let error = Error::new(Errno::ENOSYS).context(Step::Prepare(Call::CloseRange));
    assert_advice(error, &user(), &["Linux 5.11 or newer"]);
}

#[test]
fn an_injected_container_of_each_engine_gets_the_command_of_that_engine() {
    for (engine, words) in [
        (Engine::Docker, &["docker run", "systempaths=unconfined"][..]),
        (Engine::Podman, &["podman run", "unmask=ALL"]),
        (Engine::Kubernetes, &["kubectl run", "--privileged"]),
        (Engine::Nspawn, &["systemd-nspawn", "--system-call-filter=@known"]),
    ] {
        let facts = HostFacts { seccomp: true, caller: caller(false, Some(engine)), ..user() };
        let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
        assert_advice(error, &facts, words);
        let error = Err::<(), _>(Errno::EACCES).context("mount /proc").unwrap_err();
        assert_advice(error, &HostFacts { seccomp: false, apparmor: true, ..facts }, words);
    }
}

#[test]
fn where_no_engine_is_known_none_is_named() {
    let mounting = || Err::<(), _>(Errno::EPERM).context("mount /proc").unwrap_err();
    let map = || Error::new(Errno::EPERM).context(Step::Map("uid_map", "0 0 1".into()));
    let cgroup = || Error::new(Errno::EROFS).context(Step::Cgroup("/x".into()));
    let root = HostFacts { root: true, unshare: false, ..user() };
    let covered = HostFacts { proc_covered: vec!["/proc/keys".into()], ..namespace_root() };
    let filtered = HostFacts { seccomp: true, ..namespace_root() };
    for (error, facts) in [
        (cloning(Errno::EPERM, CloneFlags::CLONE_NEWUTS), &root),
        (map(), &root),
        (mounting(), &covered),
        (mounting(), &filtered),
        (cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER), &filtered),
        (cgroup(), &user()),
    ] {
        let advice = assert_advice(error, facts, &[": start it outside of that"]);
        assert_eq!(advice.remedies, []);
    }
}

#[test]
fn injected_missing_modules_are_loaded_or_installed() {
    let facts = HostFacts { installer: Some("apt-get install"), ..namespace_root() };
    let error = || {
        let missing = std::io::Error::from_raw_os_error(Errno::EOPNOTSUPP as i32);
        Error::new(missing).context(Step::Link("brg0".into()))
    };
    assert_advice(error(), &facts, &["sudo modprobe -a bridge veth", "linux-modules-extra"]);
    let inside = HostFacts { caller: caller(true, Some(Engine::Docker)), ..facts };
    let advice = assert_advice(error(), &inside, &["the host of this container has to load them"]);
    assert_eq!(advice.remedies, []);
}

#[test]
fn a_covered_proc_shows_where_a_new_one_is_mounted() {
    let facts = HostFacts { proc_covered: vec!["/proc/keys".into()], ..namespace_root() };
    let error = || Err::<(), _>(Errno::EPERM).context("mount /proc").unwrap_err();
    assert_advice(error(), &in_docker(facts), &["systempaths=unconfined"]);
}

#[test]
fn a_proc_of_another_pid_namespace_is_replaced_by_one_of_its_own() {
    let error = Error::new(Errno::ESRCH).context(Step::OwnProc);
    assert_advice(error, &namespace_root(), &["unshare --mount-proc cargo run -p pid"]);
    let error = Error::new(Errno::ESRCH).context(Step::OwnProc);
    let without = HostFacts { no_proc: true, ..namespace_root() };
    assert_advice(error, &without, &["mount -t proc proc /proc"]);
}

#[test]
fn root_of_a_user_namespace_without_mounts_of_its_own_is_told_how_to_get_them() {
    let error = Err::<(), _>(Errno::EPERM).context("mount /proc").unwrap_err();
    assert_advice(error, &namespace_root(), &["cargo rootless -p pid"]);
}

#[test]
fn root_without_its_capability_is_told_that_it_is_in_a_container() {
    let facts = HostFacts { root: true, ..in_docker(user()) };
    let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUTS);
    assert_advice(error, &facts, &["CAP_SYS_ADMIN", "--cap-add SYS_ADMIN"]);
}

#[test]
fn user_namespaces_are_switched_off_only_for_who_asks_for_one() {
    let facts = HostFacts { max_user_namespaces: Some(0), ..user() };
    let error = cloning(Errno::ENOSPC, CloneFlags::CLONE_NEWUSER);
    assert_advice(error, &facts, &["sysctl user.max_user_namespaces"]);
    let error = cloning(Errno::ENOSPC, CloneFlags::CLONE_NEWUTS);
    assert_advice(error, &facts, &["limit of namespaces"]);
}

#[test]
fn who_may_not_make_a_cgroup_gets_the_ways_that_this_machine_has() {
    let refused = |errno: Errno| Error::new(errno).context(Step::Cgroup("/x".into()));
    let (v1, v2) = (user(), HostFacts { cgroups: Cgroups::V2, ..user() });
    let scope = "systemd-run --user --scope -p Delegate=yes cargo run -p pid";
    assert_advice(refused(Errno::EACCES), &v2, &["cargo as-root -p pid", scope]);
    assert_advice(refused(Errno::EACCES), &v1, &["cargo as-root -p pid", "v1"]);
    assert!(!diagnose(&refused(Errno::EACCES), &v1).unwrap().to_string().contains("systemd-run"));
    assert_advice(refused(Errno::EACCES), &namespace_root(), &["outside"]);
    let docker = in_docker(v2.clone());
    assert_advice(refused(Errno::EROFS), &docker, &["docker run", "--cgroupns=host", ":rw"]);
    assert_advice(refused(Errno::EBUSY), &v2, &[scope]);
    let root = HostFacts { root: true, caller: caller(true, None), ..v2.clone() };
    assert_advice(refused(Errno::EBUSY), &root, &["`systemd-run --scope -p Delegate=yes"]);
}

#[test]
fn who_is_root_by_sudo_types_what_comes_next_as_another_user() {
    let root = HostFacts { root: true, caller: caller(true, None), ..user() };
    let by_sudo = Caller { by_sudo: true, ..root.caller };
    let error = || Known::new(Cause::RootWritable, "open").remedy("sudo chmod +t /tmp").into();
    let command =
        |facts: &HostFacts| diagnose(&error(), facts).unwrap().remedies[0].command.clone();
    assert_eq!(command(&root), "chmod +t /tmp");
    assert_eq!(command(&HostFacts { caller: by_sudo, ..root.clone() }), "sudo chmod +t /tmp");
}

#[test]
fn a_file_that_cannot_be_read_gets_no_advice_about_root() {
    let denied = std::io::Error::from_raw_os_error(Errno::EPERM as i32);
    assert_eq!(diagnose(&Error::new(denied).context("rename"), &user()), None);
}

#[test]
fn a_shell_without_a_path_is_told_that_nothing_is_searched() {
    let error = |program: &str| Error::new(Errno::ENOENT).context(Step::Execve(program.into()));
    assert_advice(error("sh"), &user(), &["/bin/sh"]);
    assert_advice(error("/proc/self/exe"), &user(), &["/proc is not mounted"]);
}

#[test]
fn without_apparmor_a_refusal_is_not_apparmors() {
    let facts = HostFacts { caller: caller(true, Some(Engine::Docker)), root: true, ..user() };
    let error = Err::<(), _>(Errno::EACCES).context("make a directory").unwrap_err();
    assert_eq!(diagnose(&error, &facts), None);
}

#[test]
fn an_injected_profile_that_denies_user_namespaces_is_apparmors() {
    let facts = HostFacts { apparmor: true, ..user() };
    let error = || cloning(Errno::EACCES, CloneFlags::CLONE_NEWUSER);
    let advice = assert_advice(error(), &facts, &["AppArmor", "cargo doctor apparmor"]);
    // Where the kernel has no switch, none is offered. And a profile is for root as well.
    assert!(!advice.to_string().contains("sysctl"), "{advice}");
    assert!(!advice.root_helps);
    let facts = HostFacts { apparmor_profile: Some("restricted".into()), ..facts };
    assert_advice(error(), &facts, &["The profile restricted of AppArmor"]);
}

#[test]
fn an_injected_profile_that_denies_capabilities_is_apparmors_outside_of_a_container() {
    let facts = HostFacts { apparmor_profile: Some("restricted".into()), ..namespace_root() };
    let error = || Err::<(), _>(Errno::EPERM).context("set the hostname").unwrap_err();
    assert_advice(error(), &facts, &["The profile restricted of AppArmor"]);
    let container = HostFacts { caller: caller(false, Some(Engine::Docker)), ..facts };
    let advice = diagnose(&error(), &container);
    assert!(advice.is_none_or(|advice| advice.id != "apparmor-profile"));
}

#[test]
fn root_without_cap_setfcap_is_not_sent_to_a_user_namespace() {
    let facts = HostFacts { root: true, ..in_docker(user()) };
    let map = || Error::new(Errno::EPERM).context(Step::Map("uid_map", "0 0 1".into()));
    assert_advice(map(), &facts, &["CAP_SETFCAP", "--cap-add SETFCAP"]);
    let advice = diagnose(&cloning(Errno::EPERM, CloneFlags::CLONE_NEWUTS), &facts).unwrap();
    assert!(!advice.to_string().contains("cargo rootless"), "{advice}");
}

#[test]
fn what_is_not_installed_is_not_offered() {
    let refused = || cloning(Errno::EPERM, CloneFlags::CLONE_NEWPID);
    let advice = |facts: &HostFacts| diagnose(&refused(), facts).unwrap().to_string();
    let without_sudo = advice(&HostFacts { sudo: false, ..user() });
    assert!(
        !without_sudo.contains("as-root") && without_sudo.contains("rootless"),
        "{without_sudo}"
    );
    let switched_off = advice(&HostFacts { max_user_namespaces: Some(0), ..user() });
    assert!(!switched_off.contains("rootless"), "{switched_off}");
    let without_unshare = advice(&HostFacts { unshare: false, ..user() });
    assert!(without_unshare.contains("as-root") && !without_unshare.contains("rootless"));
}

#[test]
fn a_value_that_the_kernel_does_not_take_is_not_taken_for_a_chroot() {
    let error = || Err::<(), _>(Errno::EINVAL).context("make all mounts private").unwrap_err();
    assert_eq!(diagnose(&error(), &user()), None);
    let after_chroot = HostFacts { root_mount: RootMount::Chroot, ..user() };
    assert_advice(error(), &after_chroot, &["no mount point"]);
    let on_initramfs = HostFacts { root_mount: RootMount::Initramfs, ..user() };
    assert_advice(error(), &on_initramfs, &["initramfs"]);
}

#[test]
fn another_root_directory_is_used_as_this_one_would_have_been() {
    let error = || Known::new(Cause::RootNowhere, "full").remedy("cargo {run} -p {package}").into();
    let root = HostFacts { root: true, cap_sys_admin: true, ..user() };
    let network = HostFacts { package: "network".into(), ..user() };
    assert_advice(error(), &user(), &["cargo rootless -p pid"]);
    assert_advice(error(), &namespace_root(), &["cargo rootless -p pid"]);
    assert_advice(error(), &network, &["cargo run -p network"]);
    assert_advice(error(), &root, &["cargo run -p pid"]);
}

#[test]
fn where_there_is_no_place_for_a_root_directory_the_engine_or_root_can_give_one() {
    let full = |engine| HostFacts { caller: caller(false, engine), ..user() };
    for cause in [Cause::RootNowhere, Cause::RootNoexec] {
        let error = || Known::new(cause, "no place").into();
        assert_advice(error(), &full(Some(Engine::Docker)), &["docker run --tmpfs /tmp:exec"]);
        assert_advice(error(), &full(Some(Engine::Podman)), &["podman run --tmpfs /tmp:exec"]);
        assert_advice(error(), &full(None), &["sudo mount -t tmpfs tmpfs /tmp"]);
        let nobody = HostFacts { sudo: false, ..full(None) };
        assert_eq!(diagnose(&error(), &nobody).unwrap().remedies, []);
    }
}

#[test]
fn the_number_of_the_callers_shell_is_put_in_by_that_shell_and_not_by_the_one_of_su() {
    let facts =
        HostFacts { without_sudo: true, limits_can_be_raised: true, prlimit: true, ..user() };
    let command = "`su -c \"prlimit --pid $$ --fsize=unlimited:unlimited\"`";
    assert_advice(Known::new(Cause::FileSize, "x").into(), &facts, &[command]);
    let facts = HostFacts { without_sudo: false, ..facts };
    assert_advice(Known::new(Cause::FileSize, "x").into(), &facts, &["`sudo prlimit --pid $$"]);
}

#[test]
fn roots_shell_raises_a_limit_itself_and_for_others_it_takes_a_program() {
    let error = || Known::new(Cause::FileSize, "x").into();
    let user = HostFacts { limits_can_be_raised: true, ..user() };
    assert_eq!(diagnose(&error(), &user).unwrap().remedies, []);
    let root = HostFacts { caller: caller(true, None), ..user };
    assert_advice(error(), &root, &["`ulimit -f unlimited`"]);
}

#[test]
fn what_stands_for_the_stage_stands_for_itself_in_a_path() {
    for path in ["/{run}", "/{package} it's", "/a && sudo b", "/a\n{run} && sudo 'c", "/'{run}'\\"]
    {
        let path = quoted(path);
        let said =
            format!("sudo cp {path} {path} && cargo {{run}} -p {{package}} -- --rootfs {path}");
        let facts = HostFacts { without_sudo: true, ..user() };
        let error = Known::new(Cause::RootNowhere, "x").remedy(&said).into();
        let command = diagnose(&error, &facts).unwrap().remedies.remove(0).command;
        let copy = quoted(format!("cp {path} {path}"));
        let expected = format!("su -c {copy} && cargo rootless -p pid -- --rootfs {path}");
        assert_eq!(command, expected);
    }
}
