//! An attempt: the system calls of a stage, in throw-away processes and namespaces.
//!
//! It is the stage, in its order, with an empty root directory and a process that ends at once in the place of the shell.
//! What the stage does to its host is done elsewhere: the bridge of 06 is made in a network namespace more, and the mount
//! of 03 is nowhere.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Error, Result};
use common::diagnosis::{self, diagnose};
use common::host_facts::{DEVICES, HostFacts};
use common::mounts::{self, MountPoint, bind_current_directory, make_file, mount_tmpfs};
use common::reexec::{self, Call, IdMap, Step};
use common::rootfs;
use netlink::Netlink;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use nix::errno::Errno;
use nix::libc::{self, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::SignalFd;
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::wait::waitpid;
use nix::unistd::{
    ForkResult, Pid, chdir, chroot, fchdir, fork, getgid, getpid, getuid, pivot_root, sethostname,
    setpgid, setsid, symlinkat,
};
use serde::{Deserialize, Serialize};
use stage_network::Cable;

use crate::limit::Limit;
use crate::stages::Stage;

/// The name of the entry point inside of the new namespaces.
pub const INSIDE: &str = "doctor_inside";

/// Why an attempt has failed, as it tells its parent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trouble {
    /// The error, as the stage would write it.
    pub error: String,
    /// Its cause, where that is known.
    pub diagnosis: Option<Diagnosis>,
    /// Whether the stage itself has met it, and not what was to start it.
    pub of_stage: bool,
}

/// A [`diagnosis::Diagnosis`], as one process tells it to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Diagnosis {
    pub id: String,
    pub title: String,
    pub explanation: String,
    pub remedies: Vec<Remedy>,
    pub root_helps: bool,
}

/// A [`diagnosis::Remedy`], likewise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Remedy {
    pub command: String,
    pub gives_up: String,
}

impl From<diagnosis::Diagnosis> for Diagnosis {
    fn from(diagnosis: diagnosis::Diagnosis) -> Diagnosis {
        let remedies = diagnosis.remedies.into_iter();
        Diagnosis {
            id: diagnosis.id.into(),
            title: diagnosis.title.into(),
            explanation: diagnosis.explanation,
            remedies: remedies
                .map(|remedy| Remedy { command: remedy.command, gives_up: remedy.gives_up })
                .collect(),
            root_helps: diagnosis.root_helps,
        }
    }
}

impl Trouble {
    /// What it is known by: its cause, or else the error itself.
    pub fn name(&self) -> &str {
        self.diagnosis.as_ref().map_or(&self.error, |known| &known.id)
    }

    pub fn of(error: &Error, package: &str) -> Trouble {
        Trouble::with(error, &HostFacts { package: package.into(), ..HostFacts::now() })
    }

    fn with(error: &Error, facts: &HostFacts) -> Trouble {
        Trouble {
            error: format!("{error:#}"),
            diagnosis: diagnose(error, facts).map(Diagnosis::from),
            of_stage: true,
        }
    }
}

/// Does what the stage does outside of its container. Tells what is in the way, in a line for each trouble: without a root
/// directory the stage goes no further, and there may be more behind that.
pub fn run(stage: &Stage) -> ExitCode {
    let place = if stage.root_directory { rootfs::look().map(drop) } else { Ok(()) };
    let there = tell(stage, place.map(|()| ExitCode::SUCCESS));
    let attempted = tell(stage, outside(stage));
    if there == ExitCode::SUCCESS { attempted } else { there }
}

/// Does what the stage does inside.
pub fn inside(stage: &Stage) -> ExitCode {
    // Now, since /proc is about to go.
    let facts = HostFacts::now();
    // Without one the stage ends, and there may be more behind that, such as a filter.
    let mut proc = Ok(());
    let rest = set_up(stage, &mut proc).and_then(|()| start_nothing());
    let failed = proc.is_err();
    let mounted = tell_with(facts.clone(), stage, proc.map(|()| ExitCode::SUCCESS));
    // What has been told is not what is behind it.
    let facts = if failed { HostFacts { proc_covered: Vec::new(), ..facts } } else { facts };
    let rest = tell_with(facts, stage, rest.map(|()| ExitCode::SUCCESS));
    if mounted == ExitCode::SUCCESS { rest } else { mounted }
}

/// Makes a process that leads a process group, as the stage makes one for its shell.
fn start_nothing() -> Result<()> {
    // SAFETY: this process has one thread.
    match unsafe { fork() }.context(Step::Clone(CloneFlags::empty()))? {
        // SAFETY: _exit(2) has no conditions.
        ForkResult::Child => unsafe { libc::_exit(0) },
        ForkResult::Parent { child } => {
            let group = Step::Unprivileged("make a process group for the child");
            let grouped = setpgid(child, child).context(group);
            waitpid(child, None).context("wait for a process")?;
            grouped
        }
    }
}

fn tell(stage: &Stage, result: Result<ExitCode>) -> ExitCode {
    tell_with(HostFacts::now(), stage, result)
}

fn tell_with(facts: HostFacts, stage: &Stage, result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let package = stage.package().into();
        let trouble = Trouble::with(&error, &HostFacts { package, ..facts });
        println!("{}", serde_json::to_string(&trouble).expect("strings can be written as JSON"));
        ExitCode::FAILURE
    })
}

/// The address of the container, in a network that has no other.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 2);

fn outside(stage: &Stage) -> Result<ExitCode> {
    let (is_root, network) = (getuid().is_root(), stage.has(CloneFlags::CLONE_NEWNET));
    let on_host = if mounts_on_the_host(stage) {
        may_mount().context("mount /proc")
    } else if network && is_root {
        may_change_network().context(Step::Link("brg0".into()))
    } else {
        Ok(())
    };
    let command = command(stage)?;
    let _open = descriptors(stage)?;
    if network && !is_root {
        enter_network_of_a_user()?;
    }
    // Declared first, and so dropped last: a cgroup can be removed when the created child has left it.
    let _limit;
    let mut container = command.create()?;
    // Now is when the stage makes the bridge, or the mount.
    on_host?;
    if network && is_root && !enter_network_of_root()? {
        // From another user namespace than this process is about to be in it could not be reached.
        drop(container);
        enter_network_of_a_user()?;
        container = command.create()?;
    }
    let _cable = if network { Some(connect(container.pid())?) } else { None };
    let has_limit = stage.has(CloneFlags::CLONE_NEWCGROUP);
    _limit = if has_limit { Some(Limit::new(container.pid())?) } else { None };
    watch()?;
    container.start()?.wait()
}

/// Opens what the launcher waits at: its container, for the guard, here this process; and its signals.
fn watch() -> Result<()> {
    reexec::pidfd_open(getpid())
        .context(Step::Unprivileged("open the container's first process"))?;
    SignalFd::new(&SigSet::empty())
        .context(Step::Unprivileged("make a descriptor for signals"))
        .map(drop)
}

/// Whether what it mounts is among the mounts of its host.
fn mounts_on_the_host(stage: &Stage) -> bool {
    stage.root_directory && !stage.has(CloneFlags::CLONE_NEWNS)
}

/// What the stage has open besides: the socket of its session, and in 03 the root directory and the one that it mounts on.
fn descriptors(stage: &Stage) -> Result<Vec<File>> {
    let more = if mounts_on_the_host(stage) { 3 } else { 1 };
    (0..more).map(|_| File::open("/").context("open /")).collect()
}

/// The start of what is inside, as the stage has it.
fn command(stage: &Stage) -> Result<reexec::Command> {
    // Not in a session of its own, which takes one process more: so here is the doctor.
    let mut command = reexec::command(INSIDE).same_session();
    // A cgroup namespace shows the cgroup that it is made in, which has to be the container's own by then.
    let cloned = stage.namespaces - CloneFlags::CLONE_NEWCGROUP;
    for flag in cloned.iter() {
        command = command.cloneflag(flag);
    }
    if stage.root_directory {
        // Open, as the stage's root directory is.
        command = command.root_dir(File::open("/").context("open /")?);
    }
    if stage.has(CloneFlags::CLONE_NEWUSER) {
        command = command.uid_mappings(&one_id(0, getuid().as_raw()));
        command = command.gid_mappings(&one_id(0, getgid().as_raw()));
    }
    Ok(command)
}

fn one_id(container_id: u32, host_id: u32) -> [IdMap; 1] {
    [IdMap::one(container_id, host_id)]
}

/// Moves this process of root's into a network namespace, where a bridge of its own is in nobody's way, if it has the
/// capability to make one: the stage does not need that.
fn enter_network_of_root() -> Result<bool> {
    // Only looks: a bridge of somebody else's, or an address that is in use, are refused.
    stage_network::find_bridge(&Netlink::open()?)?;
    Ok(reexec::unshare(CloneFlags::CLONE_NEWNET).is_ok())
}

/// Moves this process into a network namespace, as the stage does for an ordinary user.
fn enter_network_of_a_user() -> Result<()> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    reexec::unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    reexec::write_id_maps(getpid(), &one_id(uid, uid), &one_id(gid, gid))
}

fn connect(container: Pid) -> Result<Cable> {
    let inside = Netlink::open_in(container)?;
    stage_network::set_up(&inside, "lo")?;
    stage_network::connect(container, &inside, Some(ADDRESS))
}

/// Fails if this process may not mount in its mount namespace. It asks for a file system of no type, which is
/// refused for want of a right before it is for want of a type: mount(2).
fn may_mount() -> Result<()> {
    match mount(NONE, "/", NONE, MsFlags::empty(), NONE) {
        Err(errno) if errno != Errno::EINVAL => Err(errno.into()),
        _ => Ok(()),
    }
}

/// Fails if this process may not make a device in its network namespace. It asks the kernel to remove one
/// that cannot be there, which is refused for want of a right before it is for want of a device.
fn may_change_network() -> Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = i32::MAX as u32;
    match Netlink::open()?.change(RouteNetlinkMessage::DelLink(link), 0) {
        Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Stands for the arguments of mount(2) that a call has no use for.
const NONE: Option<&str> = None;

fn set_up(stage: &Stage, proc: &mut Result<()>) -> Result<()> {
    // The container's first process leads a session.
    setsid().context(Step::Prepare(Call::Session))?;
    if stage.sets_hostname {
        sethostname("doctor").context("set the hostname")?;
    }
    if stage.has(CloneFlags::CLONE_NEWCGROUP) {
        reexec::unshare(CloneFlags::CLONE_NEWCGROUP)?;
    }
    if mounts_on_the_host(stage) {
        // The stage's is the host's. This one is nowhere.
        let attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        *proc = match mounts::detached(c"proc", &[], attributes) {
            // That takes a mount namespace, and of those there can be a limit. The stage needs none.
            Err(Errno::ENOSPC) => Ok(()),
            mounted => mounted.map(drop).context("mount /proc"),
        };
        return chroot("/").context("chroot to the root directory");
    }
    if stage.pivots() {
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
            .context("make all mounts private")?;
        change_root(Path::new("/tmp"), stage, proc)?;
    }
    Ok(())
}

fn mount_proc(target: &Path) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), target, Some("proc"), flags, NONE).context("mount /proc")
}

/// Makes an empty root directory in memory, mounts in it what the stage mounts, and moves there.
fn change_root(rootfs: &Path, stage: &Stage, proc: &mut Result<()>) -> Result<()> {
    mount(Some("doctor"), rootfs, Some("tmpfs"), MsFlags::empty(), NONE)
        .context("mount a tmpfs")?;
    chdir(rootfs).context("enter a tmpfs")?;
    for directory in ["proc", "dev", "temp"] {
        fs::create_dir(directory).with_context(|| format!("make {directory}"))?;
    }
    let root = bind_current_directory().context("bind the root directory to itself")?;
    fchdir(root).context("enter the root directory")?;
    *proc = mount_proc(&MountPoint::open("proc")?.path());
    let temp = MountPoint::open("temp")?;
    mount(Some("godir"), &temp.path(), Some("tmpfs"), MsFlags::empty(), Some("size=64m"))
        .context("mount a tmpfs on /temp")?;
    mount_dev(stage)?;
    pivot_root(".", ".").context("pivot_root to the root directory")?;
    umount2(".", MntFlags::MNT_DETACH).context("unmount the old root")
}

fn mount_dev(stage: &Stage) -> Result<()> {
    let options = [("mode", "0755"), ("size", "64k")];
    let dev = mount_tmpfs("dev", &options, &MountPoint::open("dev")?);
    let dev = dev.context("mount a tmpfs on /dev")?;
    for (name, _) in DEVICES {
        let (host, device) = (mounts::open_device(name)?, make_file(&dev, name)?);
        let from = mounts::path(&host);
        mount(Some(&from), &mounts::path(&device), NONE, MsFlags::MS_BIND, NONE)
            .with_context(|| format!("bind /dev/{name}"))?;
    }
    symlinkat("pts/ptmx", &dev, "ptmx").context("link /dev/ptmx")?;
    mount_in(&dev, "pts", "devpts", Some("newinstance,ptmxmode=666,mode=620"))?;
    mount_in(&dev, "shm", "tmpfs", Some("mode=1777,size=64m"))?;
    if stage.has(CloneFlags::CLONE_NEWIPC) {
        mount_in(&dev, "mqueue", "mqueue", NONE)?;
    }
    Ok(())
}

fn mount_in(dev: &OwnedFd, name: &str, kind: &str, options: Option<&str>) -> Result<()> {
    mkdirat(dev, name, Mode::from_bits_truncate(0o755))
        .with_context(|| format!("make /dev/{name}"))?;
    let on = MountPoint::open_in(dev, name)?;
    mount(Some(kind), &on.path(), Some(kind), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, options)
        .with_context(|| format!("mount /dev/{name}"))
}
