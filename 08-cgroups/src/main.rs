//! Stage 8: the shell has a limit of processes, and a cgroup namespace.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context, Result, ensure};
use cgroups_rs::fs::MaxValue;
use clap::Parser;
use common::check::{check, init_logging, warn};
use common::mounts::{self, MountPoint, bind_current_directory, make_file, mount_tmpfs};
use common::reexec::{self, Command, IdMap};
use common::rootfs;
use common::{forwarding, helper};
use netlink::Netlink;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Pid, chdir, fchdir, getgid, getpid, getuid, pivot_root, sethostname, symlinkat};

use cgroup::PidsCgroup;
use network::Cable;

mod cgroup;
mod network;

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
    /// Address in the container [default: the first of 10.10.10.2 to 10.10.10.254 that is free]
    #[arg(long, value_name = "IPV4", conflicts_with = "netsetgo")]
    address: Option<Ipv4Addr>,
    /// Program that lays the cable, as HELPER -pid PID, instead of our own code
    #[arg(long, value_name = "HELPER")]
    netsetgo: Option<PathBuf>,
    /// How many processes the container can have
    #[arg(long, value_name = "N|max", default_value = "20", allow_negative_numbers = true)]
    #[arg(value_parser = cgroup::parse_pids_max)]
    pids_max: MaxValue,
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

/// Starts [`ns_init`] in its new namespaces, with a cable to the host's bridge and a limit of processes.
fn ns_start(args: &Args) -> Result<ExitCode> {
    let rootfs = rootfs::prepare(&args.rootfs, &args.nsshell)?;
    if !getuid().is_root() && args.netsetgo.is_none() {
        enter_network()?;
    }
    let container = reexec::command("ns_init")
        .cloneflag(CloneFlags::CLONE_NEWNS)
        .cloneflag(CloneFlags::CLONE_NEWUTS)
        .cloneflag(CloneFlags::CLONE_NEWPID)
        .cloneflag(CloneFlags::CLONE_NEWIPC)
        .cloneflag(CloneFlags::CLONE_NEWNET)
        .cloneflag(CloneFlags::CLONE_NEWUSER)
        .uid_mappings(&[IdMap::one(0, getuid())])
        .gid_mappings(&[IdMap::one(0, getgid())])
        .root_dir(rootfs)
        .container_env()
        .create()?;
    let _cable = connect(args, container.pid())?;
    let pids = PidsCgroup::create(args.pids_max, container.pid())?;
    let status = container.start()?.wait();
    pids.remove()?;
    status
}

/// Moves this process into a network namespace where it may make a bridge: the host's is root's alone.
fn enter_network() -> Result<()> {
    log::info!(
        "not root: the bridge is not on the host, but in a network namespace of this container"
    );
    let (uid, gid) = (getuid(), getgid());
    reexec::unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    // Each id on itself, so that the container's map is still of the ids that the caller has on the host.
    let maps = (IdMap::one(uid.as_raw(), uid), IdMap::one(gid.as_raw(), gid));
    reexec::write_id_maps(getpid(), &[maps.0], &[maps.1])
}

/// Connects the process `container`, which waits in its network namespace, with the host.
fn connect(args: &Args, container: Pid) -> Result<Option<Cable>> {
    // What it does is done there, wherever this process is.
    let inside = Netlink::open_in(container)?;
    network::set_up(&inside, "lo")?;
    let Some(helper) = &args.netsetgo else {
        if getuid().is_root() {
            warn(forwarding::ensure_between_ports(network::BRIDGE));
        }
        return network::connect(container, &inside, args.address).map(Some);
    };
    let pid = container.to_string();
    let status = helper::run(process::Command::new(helper).args(["-pid", &pid]))?;
    ensure!(status.success(), "{} -pid {container} has failed: {status}", helper.display());
    Ok(None)
}

/// Runs inside the new namespaces: sets them up, then starts the shell.
fn ns_init(args: &Args) -> Result<ExitCode> {
    sethostname(&args.nshostname)
        .with_context(|| format!("set the hostname {:?} (at most 64 bytes)", args.nshostname))?;
    // Its root is the cgroup that this process is in now: cgroup_namespaces(7).
    reexec::unshare(CloneFlags::CLONE_NEWCGROUP)?;
    mount_root()?;
    change_root()?;
    ns_run(args)
}

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

/// Mounts all that the container will see. This process is in the directory that becomes its root.
fn mount_root() -> Result<()> {
    // The new namespace starts with a copy of the host's mounts. Where they are shared, as under systemd,
    // what is mounted on a copy shows up on the host as well: mount_namespaces(7).
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .context("make all mounts private")?;
    // pivot_root(2): the new root must be a mount point. The mount is on top of the current directory, and is
    // entered by its descriptor. From here on no path is looked up that somebody else could bend.
    let root = bind_current_directory().context("bind the root directory to itself")?;
    fchdir(root).context("enter the root directory")?;
    // Here, and not after the change of the root: in a user namespace a new proc may reveal no more than
    // one that is mounted already (mount_too_revealing() in the kernel), and the host's is about to go.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let proc = MountPoint::open("proc")?;
    mount(Some("proc"), &proc.path(), Some("proc"), flags, NONE).context("mount /proc")?;
    let temp = MountPoint::open("temp")?;
    // Without a size it could take half of the memory: tmpfs(5).
    mount(Some("godir"), &temp.path(), Some("tmpfs"), MsFlags::empty(), Some("size=64m"))
        .context("mount a tmpfs on /temp")?;
    mount_dev()
}

/// Mounts a tmpfs on /dev, with the host's harmless devices in it.
fn mount_dev() -> Result<()> {
    let options = [("mode", "0755"), ("size", "64k")];
    let dev = mount_tmpfs("dev", &options, &MountPoint::open("dev")?);
    let dev = dev.context("mount a tmpfs on /dev")?;
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        // Not mknod(2), which is for root of the whole machine. A bind mount of a file takes a file.
        let (host, device) = (mounts::open_device(name)?, make_file(&dev, name)?);
        let from = mounts::path(&host);
        mount(Some(&from), &mounts::path(&device), NONE, MsFlags::MS_BIND, NONE)
            .with_context(|| format!("bind /dev/{name}"))?;
    }
    let links = ["fd", "fd/0", "fd/1", "fd/2"].map(|target| Path::new("/proc/self").join(target));
    for (name, target) in ["fd", "stdin", "stdout", "stderr"].iter().zip(&links) {
        symlinkat(target, &dev, *name).with_context(|| format!("link /dev/{name}"))?;
    }
    // Terminals for programs in the container, pts(4), and memory that they share, shm_overview(7).
    mount_in(&dev, "pts", "devpts", Some("newinstance,ptmxmode=666,mode=620"))?;
    symlinkat("pts/ptmx", &dev, "ptmx").context("link /dev/ptmx")?;
    // POSIX queues are files, for who wants to see them: mq_overview(7).
    mount_in(&dev, "mqueue", "mqueue", NONE)?;
    mount_in(&dev, "shm", "tmpfs", Some("mode=1777,size=64m"))
}

/// Mounts a file system on a new directory of /dev.
fn mount_in(dev: &OwnedFd, name: &str, kind: &str, options: Option<&str>) -> Result<()> {
    mkdirat(dev, name, Mode::from_bits_truncate(0o755))
        .with_context(|| format!("make /dev/{name}"))?;
    let on = MountPoint::open_in(dev, name)?;
    mount(Some(kind), &on.path(), Some(kind), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, options)
        .with_context(|| format!("mount /dev/{name}"))
}

/// Makes the current directory the root directory.
fn change_root() -> Result<()> {
    // The old root ends up on top of the new one, and there is unmounted: pivot_root(2), notes.
    pivot_root(".", ".").context("pivot_root to the root directory")?;
    umount2(".", MntFlags::MNT_DETACH).context("unmount the old root")?;
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
