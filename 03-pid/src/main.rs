//! Stage 3: the shell has process ids, a root directory and a /proc of its own.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use common::check::{check, exit_code, init_logging};
use common::reexec::{self, Command};
use common::rootfs;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use nix::sys::wait::wait;
use nix::unistd::{chdir, chroot, sethostname};

/// A shell with process ids, a root directory and a /proc of its own.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Shell to run
    #[arg(long, value_name = "PATH", default_value = "/bin/sh")]
    nsshell: PathBuf,
    /// Hostname in the container
    #[arg(long, value_name = "NAME", default_value = "nshost")]
    nshostname: String,
    /// Directory that becomes / in the container
    #[arg(long, value_name = "DIR", default_value = rootfs::DEFAULT)]
    rootfs: PathBuf,
    /// Arguments for the shell
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    shell_args: Vec<OsString>,
}

/// Starts at [`ns_start`], or, in the new namespaces, at [`ns_init`].
fn main() -> ExitCode {
    init_logging();
    check(reexec::dispatch(
        &Args::parse(),
        &[("ns_init", ns_init)],
        ns_start,
    ))
}

/// Starts [`ns_init`] in its new namespaces.
fn ns_start(args: &Args) -> Result<ExitCode> {
    reexec::command("ns_init")
        .cloneflag(CloneFlags::CLONE_NEWUTS)
        .cloneflag(CloneFlags::CLONE_NEWPID)
        .current_dir(rootfs::prepare(&args.rootfs, &["proc"])?)
        .env_keep(&["TERM"])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .run()
}

/// Runs inside the new namespaces: sets them up, then starts the shell.
fn ns_init(args: &Args) -> Result<ExitCode> {
    sethostname(&args.nshostname)
        .with_context(|| format!("set the hostname {:?} (at most 64 bytes)", args.nshostname))?;
    let rootfs = env::current_dir().context("find the root directory")?;
    change_root(&rootfs)?;
    mount_proc()?;
    let status = ns_run(args);
    // The host's mounts are ours, and the new one does not go by itself. A job that was left behind may be
    // at work in it (EBUSY): MNT_DETACH takes it from its place at once, and that job dies with us.
    umount2("/proc", MntFlags::MNT_DETACH).context("unmount /proc")?;
    status
}

/// Makes `rootfs` the root directory.
fn change_root(rootfs: &Path) -> Result<()> {
    chroot(rootfs).context("chroot to the root directory")?;
    // The current directory stays outside: chroot(2).
    chdir("/").context("enter /")
}

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Mounts a proc that knows the processes of this PID namespace, and no others.
fn mount_proc() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NONE).context("mount /proc")
}

/// Runs the shell. This is process 1, and all others in the PID namespace die with it.
fn ns_run(args: &Args) -> Result<ExitCode> {
    let shell = Command::new(&args.nsshell)
        .args(&args.shell_args)
        .start()?
        .release()?;
    // Whose parent ends becomes a child of process 1, and stays a zombie until it is waited for.
    loop {
        let status = wait().context("wait for a process")?;
        if status.pid() == Some(shell.pid()) {
            return Ok(exit_code(status));
        }
    }
}
