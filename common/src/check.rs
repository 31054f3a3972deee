//! The log, the one place where an error ends a program, and what to type next.

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Error, Result};
use log::LevelFilter;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use simple_logger::SimpleLogger;

use crate::reexec::{Call, Step};

/// Sends the log to stderr: warnings and errors, or what the environment variable `RUST_LOG` says (`off`,
/// `error`, `warn`, `info`, `debug`, `trace`).
pub fn init_logging() {
    let logger = SimpleLogger::new().with_level(LevelFilter::Warn).env();
    logger.init().expect("only main sets a logger");
}

/// Turns the result of a program into its exit status: an error is logged, in one line that ends with
/// what to do about it where that is known, and gives 1.
///
/// Nothing goes on after an error: `?` brings each one here. (A set-up that goes on after a failed
/// chroot(2) mounts over its host.)
pub fn check(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let program = program_name();
        match advice(&error, &Situation::now()) {
            Some(advice) => log::error!(target: &program, "{error:#}. {advice}"),
            None => log::error!(target: &program, "{error:#}"),
        }
        ExitCode::FAILURE
    })
}

/// The file name of `argv[0]`: `05-user`, or `ns_init` in its second life.
fn program_name() -> String {
    let name = env::args_os().next().unwrap_or_default();
    let file = Path::new(&name).file_name().unwrap_or(&name);
    file.to_string_lossy().into_owned()
}

/// What of this process and its machine decides why the kernel said no.
#[derive(Clone, Debug, Default)]
struct Situation {
    /// The stage as `cargo run -p` takes it.
    package: String,
    /// Whether this process is root in its user namespace.
    root: bool,
    /// Whether it may do what takes CAP_SYS_ADMIN there.
    cap_sys_admin: bool,
    /// Whether it has a seccomp(2) filter, as in a Docker container.
    seccomp: bool,
    /// Whether this is not the first user namespace.
    user_namespace: bool,
    /// Whether something is mounted over a part of /proc, as in a Docker container.
    proc_covered: bool,
    /// Sysctls that restrict user namespaces; None where the kernel has no such.
    max_user_namespaces: Option<u64>,
    unprivileged_userns_clone: Option<u64>,
    apparmor_restrict_unprivileged_userns: Option<u64>,
    /// Whether /sys/fs/cgroup is cgroup v2.
    cgroup_v2: bool,
}

/// Bit of CAP_SYS_ADMIN in the capability sets: capabilities(7).
const CAP_SYS_ADMIN: u64 = 1 << 21;

impl Situation {
    fn now() -> Situation {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        let capabilities = u64::from_str_radix(&field("CapEff"), 16).unwrap_or(0);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let sysctl = |name: &str| {
            fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?.trim().parse().ok()
        };
        // Systemd has a mount of its own there, which covers nothing.
        let covers = |line: &str| line.contains(" /proc/") && !line.contains("/binfmt_misc ");
        let program = fs::read_link("/proc/self/exe").unwrap_or_default();
        let program = program.file_name().unwrap_or_default().to_string_lossy();
        Situation {
            // The folder's name without its number.
            package: program.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').into(),
            root: nix::unistd::geteuid().is_root(),
            cap_sys_admin: capabilities & CAP_SYS_ADMIN != 0,
            seccomp: field("Seccomp") == "2",
            user_namespace: !in_first_user_namespace(),
            proc_covered: mounts.lines().any(covers),
            max_user_namespaces: sysctl("user/max_user_namespaces"),
            unprivileged_userns_clone: sysctl("kernel/unprivileged_userns_clone"),
            apparmor_restrict_unprivileged_userns: sysctl(
                "kernel/apparmor_restrict_unprivileged_userns",
            ),
            cgroup_v2: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        }
    }
}

/// The options that a Docker container needs for containers inside of it. They give up what keeps root in
/// that container from its host.
const DOCKER: &str = "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                      --security-opt systempaths=unconfined";

/// Returns why `error` has come about in `situation`, and what to type, where that is known.
fn advice(error: &Error, situation: &Situation) -> Option<String> {
    let errno = error.chain().find_map(errno_of)?;
    let advice = match (error.downcast_ref::<Step>(), errno) {
        (Some(Step::Clone(flags)), errno) => return clone_advice(*flags, errno, situation),
        (Some(Step::Prepare(Call::CloseRange)), _) => "It takes Linux 5.11 or newer",
        (Some(Step::Execve(program)), errno) => return execve_advice(program, errno),
        (Some(Step::Cgroup(_)), errno) => return cgroup_advice(errno, situation),
        // Those of the standard library are about files.
        (None, Errno::EPERM) if error.downcast_ref::<Errno>().is_some() => {
            return permission_advice(situation);
        }
        (None, Errno::EINVAL) if error.to_string().contains("pivot_root") => {
            "It cannot be done on an initramfs, nor where the root directory's mount, or the one below it, \
             is shared"
        }
        (None, Errno::EINVAL) if error.to_string().contains("all mounts private") => {
            "The root directory is no mount point, as after a chroot(2): start it outside of that"
        }
        _ => return None,
    };
    Some(advice.into())
}

fn errno_of(cause: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    let io = || cause.downcast_ref::<std::io::Error>()?.raw_os_error().map(Errno::from_raw);
    cause.downcast_ref().copied().or_else(io)
}

/// Whether this process is in the first user namespace, which maps all ids on themselves.
pub(crate) fn in_first_user_namespace() -> bool {
    // Without the file the kernel has no user namespaces.
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let numbers: Vec<_> = map.split_whitespace().collect();
    numbers.is_empty() || numbers == ["0", "0", "4294967295"]
}

/// Advice for a program that cannot be executed.
fn execve_advice(program: &Path, errno: Errno) -> Option<String> {
    let advice = match errno {
        Errno::ENOENT if program == Path::new("/proc/self/exe") => "/proc is not mounted here",
        Errno::ENOENT if program.components().count() == 1 => {
            "The whole path is wanted, such as /bin/sh: PATH is not searched"
        }
        Errno::ENOENT => {
            "There is no such file, or its interpreter is missing (from stage 03 on its path starts at the \
             root directory of the container)"
        }
        Errno::ENOEXEC => {
            "It is no program for this machine's architecture, or a script without a #! line"
        }
        Errno::EACCES => "It is not an executable file, or its file system is mounted noexec",
        _ => return None,
    };
    Some(advice.into())
}

/// Advice for a clone(2) that is refused.
fn clone_advice(flags: CloneFlags, errno: Errno, situation: &Situation) -> Option<String> {
    let new_user = flags.contains(CloneFlags::CLONE_NEWUSER);
    let advice = match (errno, situation) {
        (Errno::EPERM, _) if !new_user => return permission_advice(situation),
        (Errno::EPERM, Situation { unprivileged_userns_clone: Some(0), .. }) => {
            "User namespaces are for root alone here: sudo sysctl kernel.unprivileged_userns_clone=1"
        }
        (Errno::EPERM, Situation { seccomp: true, .. }) => {
            return Some(format!(
                "This looks like a container that may not make user namespaces; start it with: {DOCKER}"
            ));
        }
        (Errno::EPERM, _) => {
            "User namespaces are refused here, as after a chroot(2), or by a security module"
        }
        (Errno::ENOSPC | Errno::EUSERS, Situation { max_user_namespaces: Some(0), .. })
            if new_user =>
        {
            "User namespaces are switched off: sudo sysctl user.max_user_namespaces=15000"
        }
        (Errno::ENOSPC | Errno::EUSERS, _) => {
            "A limit of namespaces is reached: see `sysctl -a --pattern user.max_`; and at most 32 can be \
             nested"
        }
        (Errno::EAGAIN, _) => {
            "The limit of processes is reached: see `ulimit -u`, and pids.max of this cgroup"
        }
        _ => return None,
    };
    Some(advice.into())
}

/// Advice for a cgroup that cannot be made.
fn cgroup_advice(errno: Errno, situation: &Situation) -> Option<String> {
    let Situation { package, cgroup_v2, root, .. } = situation;
    // In this one a shell of the session is: systemd.resource-control(5), Delegate=.
    let scope = format!("systemd-run --user --scope -p Delegate=yes cargo run -p {package}");
    match errno {
        Errno::EACCES | Errno::EPERM if *root => Some(
            "This root has no right to the cgroup that it is in, as in a user namespace or a container: \
             start it outside of that"
                .into(),
        ),
        Errno::EACCES | Errno::EPERM if *cgroup_v2 => Some(format!(
            "It takes root, or a cgroup that is yours: `cargo as-root -p {package}` (sudo), or `{scope}`"
        )),
        Errno::EACCES | Errno::EPERM => Some(format!(
            "On cgroup v1 it takes root: `cargo as-root -p {package}` (sudo). Systemd gives users a cgroup \
             of their own on v2 alone"
        )),
        Errno::EROFS => Some(
            "The cgroups are mounted read-only, as in a container; start that with: docker run \
             --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw (which hands it the cgroups of its host)"
                .into(),
        ),
        Errno::EBUSY | Errno::EOPNOTSUPP => Some(format!(
            "Other cgroups with processes are below the one that this process is in: start it in one of its \
             own, with `{}`",
            if *root { scope.replace(" --user", "") } else { scope }
        )),
        Errno::EAGAIN | Errno::ENOSPC => Some(
            "A limit of cgroups is reached: see cgroup.max.descendants and cgroup.max.depth above".into(),
        ),
        _ => None,
    }
}

/// Advice for EPERM where a capability was asked for.
fn permission_advice(situation: &Situation) -> Option<String> {
    let package = &situation.package;
    match situation {
        Situation { cap_sys_admin: false, root: false, .. } => Some(format!(
            "It takes root: `cargo as-root -p {package}` (sudo), or `cargo rootless -p {package}` \
             (root of a user namespace of your own)"
        )),
        Situation { cap_sys_admin: false, root: true, .. } => Some(format!(
            "This root has no CAP_SYS_ADMIN, as in a container; start that with: {DOCKER} \
             --cap-add SYS_ADMIN"
        )),
        Situation { apparmor_restrict_unprivileged_userns: Some(1), .. } => Some(
            "AppArmor may have taken the capabilities of this user namespace: \
             sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
                .into(),
        ),
        Situation { proc_covered: true, .. } => Some(format!(
            "Parts of /proc are covered, as in a container, and no new one may show them; \
             start that with: {DOCKER}"
        )),
        Situation { user_namespace: true, .. } => Some(format!(
            "This is root of a user namespace, and what it asks for belongs to another one: \
             `cargo rootless -p {package}` makes namespaces for all that it needs"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    /// An ordinary user on an ordinary machine.
    fn user() -> Situation {
        Situation { package: "pid".into(), max_user_namespaces: Some(100), ..Situation::default() }
    }

    /// Root of a user namespace.
    fn namespace_root() -> Situation {
        Situation { root: true, cap_sys_admin: true, user_namespace: true, ..user() }
    }

    #[track_caller]
    fn assert_advice(error: Error, situation: &Situation, words: &[&str]) {
        let advice = advice(&error, situation).expect("advice");
        for word in words {
            assert!(advice.contains(word), "{word:?} is not in {advice:?}");
        }
        assert_eq!(advice.lines().count(), 1);
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
        let situation = Situation { unprivileged_userns_clone: Some(0), ..user() };
        let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
        assert_advice(error, &situation, &["sudo sysctl kernel.unprivileged_userns_clone=1"]);
    }

    #[test]
    fn a_container_without_the_right_to_make_namespaces_is_told_by_its_seccomp_filter() {
        let situation = Situation { seccomp: true, ..user() };
        let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUSER);
        assert_advice(error, &situation, &["docker run", "seccomp=unconfined"]);
    }

    #[test]
    fn the_restriction_of_ubuntu_shows_where_a_capability_is_used() {
        let situation =
            Situation { apparmor_restrict_unprivileged_userns: Some(1), ..namespace_root() };
        let error = Err::<(), _>(Errno::EPERM).context("set the hostname").unwrap_err();
        assert_advice(error, &situation, &["apparmor_restrict_unprivileged_userns=0"]);
    }

    #[test]
    fn a_covered_proc_shows_where_a_new_one_is_mounted() {
        let situation = Situation { proc_covered: true, ..namespace_root() };
        let error = Err::<(), _>(Errno::EPERM).context("mount /proc").unwrap_err();
        assert_advice(error, &situation, &["systempaths=unconfined"]);
    }

    #[test]
    fn root_of_a_user_namespace_without_mounts_of_its_own_is_told_how_to_get_them() {
        let error = Err::<(), _>(Errno::EPERM).context("mount /proc").unwrap_err();
        assert_advice(error, &namespace_root(), &["cargo rootless -p pid"]);
    }

    #[test]
    fn root_without_its_capability_is_told_that_it_is_in_a_container() {
        let situation = Situation { root: true, ..user() };
        let error = cloning(Errno::EPERM, CloneFlags::CLONE_NEWUTS);
        assert_advice(error, &situation, &["CAP_SYS_ADMIN", "--cap-add SYS_ADMIN"]);
    }

    #[test]
    fn user_namespaces_are_switched_off_only_for_who_asks_for_one() {
        let situation = Situation { max_user_namespaces: Some(0), ..user() };
        let error = cloning(Errno::ENOSPC, CloneFlags::CLONE_NEWUSER);
        assert_advice(error, &situation, &["sysctl user.max_user_namespaces"]);
        let error = cloning(Errno::ENOSPC, CloneFlags::CLONE_NEWUTS);
        assert_advice(error, &situation, &["limit of namespaces"]);
    }

    #[test]
    fn who_may_not_make_a_cgroup_gets_the_ways_that_this_machine_has() {
        let refused = |errno: Errno| Error::new(errno).context(Step::Cgroup("/x".into()));
        let (v1, v2) = (user(), Situation { cgroup_v2: true, ..user() });
        let scope = "systemd-run --user --scope -p Delegate=yes cargo run -p pid";
        assert_advice(refused(Errno::EACCES), &v2, &["cargo as-root -p pid", scope]);
        assert_advice(refused(Errno::EACCES), &v1, &["cargo as-root -p pid", "v1"]);
        assert!(!advice(&refused(Errno::EACCES), &v1).unwrap().contains("systemd-run"));
        assert_advice(refused(Errno::EACCES), &namespace_root(), &["outside"]);
        assert_advice(refused(Errno::EROFS), &v2, &["docker run", "--cgroupns=host", ":rw"]);
        assert_advice(refused(Errno::EBUSY), &v2, &[scope]);
        let root = Situation { root: true, ..v2.clone() };
        assert_advice(refused(Errno::EBUSY), &root, &["`systemd-run --scope -p Delegate=yes"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_gets_no_advice_about_root() {
        let denied = std::io::Error::from_raw_os_error(Errno::EPERM as i32);
        assert_eq!(advice(&Error::new(denied).context("rename"), &user()), None);
    }

    #[test]
    fn a_shell_without_a_path_is_told_that_nothing_is_searched() {
        let error = |program: &str| Error::new(Errno::ENOENT).context(Step::Execve(program.into()));
        assert_advice(error("sh"), &user(), &["/bin/sh"]);
        assert_advice(error("/proc/self/exe"), &user(), &["/proc is not mounted"]);
    }
}
