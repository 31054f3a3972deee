//! Stage 2: the shell has a hostname that is set for it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use common::check::{check, init_logging};
use common::reexec::{self, Command};
use nix::sched::CloneFlags;
use nix::unistd::sethostname;

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
    // TODO 2: an option --rootfs DIR, a PathBuf, which is rootfs::DEFAULT (of common::rootfs) where nobody
    // sets it.
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

// TODO 1: a new PID namespace, too. Read book/src/03-pid.md#failure, pid_namespaces(7).
// TODO 3: rootfs::prepare makes the root directory, checks it and the shell in it, and returns it, open. The new
// process has to start there.
// TODO 4: of the caller's environment the container gets TERM alone, and PATH and HOME are its own. For this and for
// TODO 3 all that is needed is in common::reexec::Command.
// TODO 6: what ns_init mounts is mounted on the host as well, and may outlive ns_init. So open `proc` in the root
// directory before anything is created (common::mounts::MountPoint), and take the mount away when the container
// has ended (unmount_last). For that the root directory has to be open still: root_dir takes one of its
// descriptors, and try_clone makes another. The result is the shell's. Read umount2(2), MNT_DETACH.
/// Starts [`ns_init`] in its new namespaces.
fn ns_start(_: &Args) -> Result<ExitCode> {
    let container = reexec::command("ns_init").cloneflag(CloneFlags::CLONE_NEWUTS).create()?;
    container.start()?.wait()
}

/// Runs inside the new namespaces: sets them up, then starts the shell.
fn ns_init(args: &Args) -> Result<ExitCode> {
    sethostname(&args.nshostname)
        .with_context(|| format!("set the hostname {:?} (at most 64 bytes)", args.nshostname))?;
    // TODO 5: mount a proc on `proc` in the root directory, which is where this process has been started;
    // nosuid, nodev, noexec. Open it before (MountPoint), so that no link is followed. Then make the current
    // directory the root directory, and go to /. Read book/src/03-pid.md#shell, proc(5), mount(2), chroot(2).
    ns_run(args)
}

// TODO 7: ns_run is process 1 now, and whoever has lost its parent is its child. So start the shell without
// waiting for it alone (Command::create, Created::start); then wait for any process, again and again, until
// it is the shell that has ended (reexec::wait_for). Read book/src/03-pid.md#shell, pid_namespaces(7), "The
// namespace init process".
/// Runs the shell.
fn ns_run(args: &Args) -> Result<ExitCode> {
    Command::new(&args.nsshell)
        .option("-c", args.command.as_ref())
        .args(&args.shell_args)
        .create()?
        .start()?
        .wait()
}
