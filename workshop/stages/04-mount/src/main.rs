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

// TODO 1: a new mount namespace, too. Read book/src/04-mount.md#failure, mount_namespaces(7).
// TODO 2: with its last process the namespace ends, and its mounts with it. What is not needed any more? (Nobody sees
// from outside whether it is still there, so that nothing tests this.)
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

// TODO 3: before it mounts anything, mount_root makes all mounts private. Otherwise the host sees what is
// mounted here. Read book/src/04-mount.md#shell, mount(2), "Changing the propagation type of an existing
// mount".
// TODO 4: then it binds the current directory to itself, with all that is mounted in it, and enters the new
// mount (common::mounts::bind_current_directory, fchdir). TODO 7 asks for a mount point.
// TODO 5: after /proc it mounts a tmpfs named "godir" on /temp, without flags, and with a size of 64m.
/// Mounts all that the container will see. This process is in the directory that becomes its root.
fn mount_root() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let proc = MountPoint::open("proc")?;
    mount(Some("proc"), &proc.path(), Some("proc"), flags, NONE).context("mount /proc")
}

// TODO 6: a function for /dev. On it is a tmpfs, nosuid, with mode=0755 and size=64k (common::mounts::mount_tmpfs,
// tmpfs(5)). In it are the host's null, zero, full, random, urandom and tty, each bound to an empty file of that
// name (make_file), and four links: fd to /proc/self/fd, and stdin, stdout and stderr to 0, 1 and 2 in there. Then
// pts, a new instance of devpts (ptmxmode=666, mode=620), with the link ptmx to pts/ptmx, and shm, a tmpfs for
// everybody (mode=1777, size=64m); both nosuid and noexec. Each of these places is reached from the descriptor of
// the tmpfs, and never by the path dev/... Read mount(2), "Creating a bind mount", symlink(2), pts(4),
// shm_overview(7).
// TODO 7: chroot(2) can be escaped, pivot_root(2) can't. Exchange the two roots, unmount the old one, go to /.
// Read pivot_root(2), NOTES, `pivot_root(".", ".")`; umount2(2), MNT_DETACH.
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
