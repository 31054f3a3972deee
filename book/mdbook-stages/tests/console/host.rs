//! The machine that a reader types on: namespaces of its own, that are dressed up as a host.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, io};

use anyhow::{Context, Result, ensure};
use common::reexec;
use conformance::cgroup;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use nix::unistd::Pid;
use testbed::host;

/// Its name.
pub const HOSTNAME: &str = "laptop";

/// The ordinary user's name, and ids.
pub const USER: &str = "reader";
pub const ID: u32 = 1000;

/// Where the user is at home, and has the workspace.
pub const HOME: &str = "/home/reader";
pub const WORKSPACE: &str = "/home/reader/containers";

/// Where programs are looked for.
pub const PATH: &str =
    "/home/reader/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the session finds the chapter.
pub const CHAPTER: &str = "/run/book/chapter.md";

/// Process ids begin here, so that they look as on a machine that has been up for a while, and none is by
/// accident one that a container has, too.
const FIRST_PID: &str = "3000";

const NONE: Option<&str> = None;

/// The first entry point: makes the namespaces, and a cgroup, which plays the one of a login session.
pub fn enclose(_: &()) -> Result<ExitCode> {
    let host = reexec::command("host").same_session().cloneflag(host::NAMESPACES);
    // Where there can be none, the chapters that are about cgroups say so.
    let Ok(cgroup) = cgroup::Own::make("pids", None) else { return host.run() };
    let host = host.create()?;
    let moved = cgroup.enter(host.pid());
    let status = moved.and_then(|()| host.start()?.wait());
    cgroup.remove()?;
    status
}

/// The second: process 1 of the host.
pub fn main(_: &()) -> Result<ExitCode> {
    let [chapter, workspace, programs, _] =
        env::args_os().skip(1).collect::<Vec<_>>().try_into().ok().context("usage")?;
    let text = fs::read(&chapter).context("read the chapter")?;
    umask(Mode::from_bits_truncate(0o022));
    host::dress_up(HOSTNAME, || {
        make_home(Path::new(&workspace), Path::new(&programs))?;
        make_dev()?;
        tmpfs("/run", "mode=755")?;
        make_etc()?;
        fs::write(CHAPTER, text).context("write the chapter")?;
        // The files of the real host are not for change, by whatever a chapter types.
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(NONE, "/", NONE, read_only, NONE).context("make / read-only")
    })?;
    run("ip", &["link", "set", "lo", "up"])?;
    // Tests may be nice to others. A reader's shell is not, and ps(1) would show it.
    run("renice", &["-n", "0", "-p", "1"])?;
    fs::write("/proc/sys/kernel/ns_last_pid", FIRST_PID).context("set the first process id")?;
    let session = Command::new("/proc/self/exe")
        .arg0("session")
        .args(env::args_os().skip(1))
        .spawn()
        .context("start the session")?;
    host::wait_as_init(Pid::from_raw(session.id() as i32))
}

fn safe_flags() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC
}

fn run(program: &str, args: &[&str]) -> Result<()> {
    let status = Command::new(program).args(args).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("start {program}"))?;
    ensure!(status.success(), "{program} {}: {status}", args.join(" "));
    Ok(())
}

fn tmpfs(target: &str, options: &str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options))
        .with_context(|| format!("mount a tmpfs on {target}"))
}

/// Binds a file or directory to another place, which is made.
fn bind(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)
    } else {
        File::options().append(true).create(true).open(to).map(|_| ())
    }
    .with_context(|| format!("make {}", to.display()))?;
    mount(Some(from), to, NONE, MsFlags::MS_BIND, NONE)
        .with_context(|| format!("bind {} to {}", from.display(), to.display()))
}

/// Makes the user's home: with the workspace, and this program in the place of cargo.
fn make_home(workspace: &Path, programs: &Path) -> Result<()> {
    fs::create_dir_all("/home").context("make /home")?;
    // The workspace may be below.
    let target = workspace.join("target");
    fs::create_dir_all(&target).with_context(|| format!("make {}", target.display()))?;
    let this = env::current_exe().context("find this program")?;
    let opened = [workspace, programs, &this].map(File::open);
    let mut paths = Vec::new();
    for file in &opened {
        use std::os::fd::AsRawFd;
        let file = file.as_ref().map_err(|error| io::Error::from(error.kind()));
        paths.push(PathBuf::from(format!("/proc/self/fd/{}", file?.as_raw_fd())));
    }
    tmpfs("/home", "mode=755")?;
    let bin = Path::new(HOME).join(".cargo/bin");
    fs::create_dir_all(&bin).context("make ~/.cargo/bin")?;
    for directory in [Path::new(HOME), bin.parent().expect("it has one"), &bin] {
        chown(directory, Some(ID), Some(ID)).context("chown")?;
    }
    let own = Path::new(WORKSPACE);
    bind(&paths[0], own)?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(NONE, own, NONE, read_only, NONE).context("make the workspace read-only")?;
    mount(Some("tmpfs"), &own.join("target"), Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
        .context("mount a tmpfs on the target directory")?;
    bind(&paths[1], &own.join("target/debug"))?;
    bind(&paths[2], &bin.join("cargo"))
}

/// Makes a /dev with what all machines have, and none of this one's disks.
fn make_dev() -> Result<()> {
    let names = ["null", "zero", "full", "random", "urandom", "tty"];
    let old = Path::new("/dev");
    let new = Path::new("/home/.dev");
    fs::create_dir(new).context("make a directory")?;
    mount(Some("dev"), new, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=755"))
        .context("mount a tmpfs for /dev")?;
    for name in names {
        bind(&old.join(name), &new.join(name))?;
    }
    for name in ["pts", "shm", "mqueue", "net"] {
        fs::create_dir(new.join(name)).context("make a directory")?;
    }
    // The devices that it makes are of this host's network. Where the kernel has none, opening it fails.
    let (readable, number) = (Mode::from_bits_truncate(0o666), makedev(10, 200));
    let tun = new.join("net/tun");
    mknod(&tun, SFlag::S_IFCHR, readable, number).context("make /dev/net/tun")?;
    fs::set_permissions(&tun, Permissions::from_mode(0o666)).context("chmod")?;
    let links = [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    for (name, target) in links {
        symlink(target, new.join(name)).context("make a link")?;
    }
    mount(Some(new), old, NONE, MsFlags::MS_MOVE, NONE).context("move the tmpfs to /dev")?;
    fs::remove_dir(new).context("remove a directory")?;
    let of_terminals = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = Some("mode=620,ptmxmode=666,gid=5");
    mount(Some("devpts"), "/dev/pts", Some("devpts"), of_terminals, options)
        .context("mount /dev/pts")?;
    tmpfs("/dev/shm", "mode=1777")?;
    mount(Some("mqueue"), "/dev/mqueue", Some("mqueue"), safe_flags(), NONE)
        .context("mount /dev/mqueue")
}

/// Puts files of the host's own in the place of some in /etc.
fn make_etc() -> Result<()> {
    let directory = Path::new(CHAPTER).parent().expect("it has one");
    fs::create_dir(directory).context("make a directory")?;
    let permitted = "auth sufficient pam_permit.so\naccount sufficient pam_permit.so\nsession required pam_permit.so\n";
    let files = [
        (
            "passwd",
            0o644,
            format!(
                "root:x:0:0:root:/root:/bin/sh\n\
             {USER}:x:{ID}:{ID}:Reader:{HOME}:/bin/sh\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("shadow", 0o640, format!("root:*:20000::::::\n{USER}:*:20000::::::\n")),
        (
            "group",
            0o644,
            format!("root:x:0:\ntty:x:5:\nsudo:x:27:{USER}\n{USER}:x:{ID}:\nnogroup:x:65534:\n"),
        ),
        // Ids for newuidmap(1), where it is installed.
        ("subuid", 0o644, format!("{USER}:100000:65536\n")),
        ("subgid", 0o644, format!("{USER}:100000:65536\n")),
        ("hosts", 0o644, format!("127.0.0.1 localhost\n127.0.1.1 {HOSTNAME}\n")),
        ("hostname", 0o644, format!("{HOSTNAME}\n")),
        (
            "sudoers",
            0o440,
            format!(
                "Defaults env_reset, !use_pty\n\
             Defaults secure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n\
             root ALL=(ALL:ALL) ALL\n{USER} ALL=(ALL:ALL) NOPASSWD: SETENV: ALL\n"
            ),
        ),
        ("pam.d/sudo", 0o644, permitted.to_owned()),
    ];
    for (name, mode, text) in files {
        let (file, place) = (directory.join(name.replace('/', "-")), Path::new("/etc").join(name));
        fs::write(&file, text).with_context(|| format!("write {name}"))?;
        fs::set_permissions(&file, Permissions::from_mode(mode)).context("chmod")?;
        if place.exists() {
            mount(Some(&file), &place, NONE, MsFlags::MS_BIND, NONE)
                .with_context(|| format!("bind {}", place.display()))?;
        }
    }
    Ok(())
}
