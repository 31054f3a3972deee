//! Stage 3: the shell has process ids, a root directory and a /proc of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use common::check::{check, init_logging};
use common::mounts::MountPoint;
use common::reexec::{self, Command};
use common::rootfs;
use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::unistd::{chdir, chroot, sethostname};

/// What the command line can say.
#[derive(Parser)]
#[command(version, about)]
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
    /// Command for the shell, as in `sh -c COMMAND`
    #[arg(short, value_name = "COMMAND")]
    command: Option<OsString>,
    /// Arguments for the shell
    #[arg(trailing_var_arg = true)]
    shell_args: Vec<OsString>,
}

/// Starts at [`ns_start`], or, in the new namespaces, at [`ns_init`].
fn main() -> ExitCode {
    init_logging();
    check(reexec::dispatch(&Args::parse(), &[("ns_init", ns_init)], ns_start))
}

/// Starts [`ns_init`] in its new namespaces.
fn ns_start(args: &Args) -> Result<ExitCode> {
    let rootfs = rootfs::prepare(&args.rootfs, &args.nsshell)?;
    // Open in this process, which outlives the container: the mount on it will be the host's.
    let proc = MountPoint::open_in(&rootfs, "proc")?;
    let container = reexec::command("ns_init")
        .cloneflag(CloneFlags::CLONE_NEWUTS)
        .cloneflag(CloneFlags::CLONE_NEWPID)
        .root_dir(rootfs.try_clone()?)
        .container_env()
        .create()?;
    let status = container.start()?.wait();
    // Where others share the root directory, theirs are on top, or below: one is removed for each that ends.
    proc.unmount_last(&rootfs, "proc")?;
    status
}

/// Runs inside the new namespaces: sets them up, then starts the shell.
fn ns_init(args: &Args) -> Result<ExitCode> {
    sethostname(&args.nshostname)
        .with_context(|| format!("set the hostname {:?} (at most 64 bytes)", args.nshostname))?;
    mount_root()?;
    change_root()?;
    ns_run(args)
}

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Mounts all that the container will see. This process is in the directory that becomes its root.
fn mount_root() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let proc = MountPoint::open("proc")?;
    mount(Some("proc"), &proc.path(), Some("proc"), flags, NONE).context("mount /proc")
}

/// Makes the current directory the root directory.
fn change_root() -> Result<()> {
    chroot(".").context("chroot to the root directory")?;
    chdir("/").context("enter /")
}

/// Runs the shell.
fn ns_run(args: &Args) -> Result<ExitCode> {
    let shell = Command::new(&args.nsshell)
        .option("-c", args.command.as_ref())
        .args(&args.shell_args)
        .create()?
        .start()?;
    // This is process 1. Whose parent ends becomes its child, and stays a zombie until it is waited for;
    // and when it ends, the kernel kills all that are left: pid_namespaces(7).
    loop {
        let (process, status) = reexec::wait_for(None).context("wait for a process")?;
        if process == shell.pid() {
            return Ok(status);
        }
    }
}
