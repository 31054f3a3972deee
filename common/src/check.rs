//! The log, the one place where an error ends a program, and what to type next.

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Error, Result};
use log::LevelFilter;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::wait::WaitStatus;
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

/// Returns the exit status that a shell would give for `status`: the program's own, or 128+n when signal
/// n has ended it.
pub fn exit_code(status: WaitStatus) -> ExitCode {
    match status {
        // Only the low 8 bits of a status reach a parent: _exit(2).
        WaitStatus::Exited(_, status) => ExitCode::from(status as u8),
        WaitStatus::Signaled(_, signal, _) => ExitCode::from(128 + signal as u8),
        other => unreachable!("not the end of a process: {other:?}"),
    }
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
    /// Whether something is mounted over a part of /proc, as in a Docker container.
    proc_covered: bool,
    /// Sysctls that restrict user namespaces; None where the kernel has no such.
    max_user_namespaces: Option<u64>,
    unprivileged_userns_clone: Option<u64>,
    apparmor_restrict_unprivileged_userns: Option<u64>,
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
        Situation {
            package: program_name()
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == '-')
                .into(),
            root: nix::unistd::geteuid().is_root(),
            cap_sys_admin: capabilities & CAP_SYS_ADMIN != 0,
            seccomp: field("Seccomp") == "2",
            proc_covered: mounts.lines().any(|line| line.contains(" /proc/")),
            max_user_namespaces: sysctl("user/max_user_namespaces"),
            unprivileged_userns_clone: sysctl("kernel/unprivileged_userns_clone"),
            apparmor_restrict_unprivileged_userns: sysctl(
                "kernel/apparmor_restrict_unprivileged_userns",
            ),
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
    match (error.downcast_ref::<Step>(), errno) {
        (Some(Step::Clone(flags)), Errno::EPERM | Errno::ENOSPC | Errno::EUSERS) => {
            clone_advice(*flags, errno, situation)
        }
        (Some(Step::Clone(_)), Errno::EAGAIN) => {
            Some("The limit of processes is reached: see `ulimit -u`, and pids.max of this cgroup".into())
        }
        (Some(Step::Prepare(Call::CloseRange)), _) => Some("It takes Linux 5.11 or newer".into()),
        (Some(Step::Execve(_)), Errno::ENOENT) => Some(
            "Inside the container there is no such file, or its interpreter is missing \
             (from stage 03 on the path starts at the --rootfs directory)"
                .into(),
        ),
        (Some(Step::Execve(_)), Errno::ENOEXEC) => {
            Some("It is no program for this machine's architecture".into())
        }
        (Some(Step::Execve(_)), Errno::EACCES) => {
            Some("It is not an executable file, or its file system is mounted noexec".into())
        }
        (_, Errno::EPERM | Errno::EACCES) => permission_advice(situation),
        (_, Errno::EINVAL) if error.to_string().contains("pivot_root") => Some(
            "pivot_root(2) refuses where / is an initramfs, and where / or its parent is a shared mount"
                .into(),
        ),
        _ => None,
    }
}

fn errno_of(cause: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    let io = || cause.downcast_ref::<std::io::Error>()?.raw_os_error().map(Errno::from_raw);
    cause.downcast_ref().copied().or_else(io)
}

/// Advice for a clone(2) that is refused.
fn clone_advice(flags: CloneFlags, errno: Errno, situation: &Situation) -> Option<String> {
    if errno != Errno::EPERM {
        return Some(match situation.max_user_namespaces {
            Some(0) => {
                "User namespaces are switched off: sudo sysctl user.max_user_namespaces=15000"
                    .into()
            }
            _ => "A limit of namespaces is reached: see `sysctl -a --pattern user.max_`".into(),
        });
    }
    if !flags.contains(CloneFlags::CLONE_NEWUSER) {
        return permission_advice(situation);
    }
    Some(match situation {
        Situation { unprivileged_userns_clone: Some(0), .. } => {
            "User namespaces are for root alone here: sudo sysctl kernel.unprivileged_userns_clone=1".into()
        }
        Situation { seccomp: true, .. } => {
            format!("This looks like a container that may not make user namespaces; start it with: {DOCKER}")
        }
        _ => "User namespaces are refused here, as inside a chroot(2), or by a security module".into(),
    })
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
        _ => None,
    }
}
