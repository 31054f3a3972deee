//! The directory that becomes a container's `/`: made when the default one is missing, and checked before
//! anybody moves into it.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use lddtree::DependencyAnalyzer;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::{Mode, umask};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{geteuid, mkdtemp};

use crate::cause::Known;
use crate::signals;
use crate::situation::in_first_user_namespace;

/// The root directory of a container when the reader names none. It is made when it is missing.
pub const DEFAULT: &str = "/tmp/busybox";

/// Returns the absolute path of the root directory to use for `rootfs`, checked.
///
/// [`DEFAULT`] is made when it is missing: from this host's busybox, or else from its own shell and tools.
/// When it belongs to somebody else, `/tmp/busybox-UID` takes its place, and a warning says so.
///
/// To be called before the clone: inside a user namespace all owners but the mapped ones look alike.
///
/// - `rootfs`: the directory that the reader has asked for.
/// - `mount_points`: directories that the stage will mount on, relative to it.
///
/// # Errors
///
/// One line that names the directory and says what is wrong with it: it is missing, no directory, lacks a
/// mount point, is mounted noexec; or another user owns it or can write to it, and could have planted what
/// is about to be executed.
pub fn prepare(rootfs: &Path, mount_points: &[&str]) -> Result<PathBuf> {
    let is_default = rootfs == Path::new(DEFAULT);
    let rootfs = if is_default { default_rootfs()? } else { rootfs.to_owned() };
    checked(&rootfs, is_default, mount_points)
}

fn checked(rootfs: &Path, is_default: bool, mount_points: &[&str]) -> Result<PathBuf> {
    let said = format!("root directory {}", rootfs.display());
    let rootfs = rootfs.canonicalize().with_context(|| said.clone())?;
    // Not of what a link leads to. There is none now; one that comes to be is not to be followed.
    let metadata = rootfs.symlink_metadata().with_context(|| said.clone())?;
    ensure!(metadata.is_dir(), "{said}: not a directory");
    ensure!(rootfs.parent().is_some(), "{said}: this is the root directory of the host");
    ensure_safe(&rootfs, &metadata)?;
    // A mount on a link would be one on the host.
    let is_directory =
        |path: &PathBuf| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let mount_points = mount_points.iter().map(|mount_point| rootfs.join(mount_point));
    let missing: Vec<_> = mount_points.filter(|directory| !is_directory(directory)).collect();
    let whole = missing.is_empty() && (!is_default || rootfs.join(BIN).join("sh").exists());
    let not_whole = |what: &str| Known::new("root-not-whole", format!("{said}: {what}"));
    if !whole && is_default {
        let new = not_whole("not whole any more; when it is gone, the next start makes a new one");
        bail!(new.remedy(format!("rm -r {}", rootfs.display())));
    }
    let missing: Vec<_> = missing.iter().map(|directory| directory.to_string_lossy()).collect();
    let mkdir =
        || not_whole("a mount point is missing").remedy(format!("mkdir {}", missing.join(" ")));
    ensure!(whole, mkdir());
    ensure_executable(&rootfs)?;
    Ok(rootfs)
}

/// Returns the default root directory that [`prepare`] would take, checked, and whether it is there. When it is
/// not, it could be made. Makes nothing.
///
/// # Errors
///
/// Those of [`prepare`].
pub fn look(mount_points: &[&str]) -> Result<(PathBuf, bool)> {
    let candidates = default_candidates();
    let theirs =
        |path: &&PathBuf| path.symlink_metadata().is_ok_and(|metadata| !is_trusted(metadata.uid()));
    let Some(candidate) = candidates.iter().find(|path| !theirs(path)) else {
        return Err(all_taken(&candidates[1]));
    };
    if candidate.symlink_metadata().is_ok() {
        return Ok((checked(candidate, true, mount_points)?, true));
    }
    ensure_executable(candidate.parent().unwrap_or(Path::new("/")))?;
    if find_program("busybox").is_err() {
        for tool in ESSENTIAL.into_iter().filter(|tool| *tool != "hostname") {
            find_program(tool).map_err(|error| lacks(tool, &error))?;
        }
    }
    Ok((candidate.clone(), false))
}

/// Makes a root directory at `target`, which is not there yet: from this host's busybox, or else from its own
/// shell and tools.
///
/// # Errors
///
/// There is something at `target`, or it cannot be made.
pub fn make(target: &Path) -> Result<()> {
    ensure!(target.symlink_metadata().is_err(), "{}: it is there already", target.display());
    build(target).with_context(|| format!("make the root directory {}", target.display()))
}

/// Fails if nothing can be executed in `rootfs`.
fn ensure_executable(rootfs: &Path) -> Result<()> {
    let said = format!("root directory {}", rootfs.display());
    let flags = statvfs(rootfs).with_context(|| said.clone())?.flags();
    let noexec = || {
        let said =
            format!("{said}: nothing can be executed in it: its file system is mounted noexec");
        Known::new("root-noexec", said).remedy(MAKE_AND_USE)
    };
    ensure!(!flags.contains(FsFlags::ST_NOEXEC), noexec());
    Ok(())
}

/// Makes a root directory where it can be used, and uses it.
const MAKE_AND_USE: &str =
    "cargo doctor root ~/busybox && cargo run -p {package} -- --rootfs ~/busybox";

/// A command that copies a root directory to where it can be used, and uses it.
fn copy_and_use(rootfs: &Path) -> String {
    let rootfs = rootfs.display();
    format!("cp -r {rootfs} ~/busybox && cargo run -p {{package}} -- --rootfs ~/busybox")
}

/// The default root directory, and the one of this user alone.
fn default_candidates() -> [PathBuf; 2] {
    [DEFAULT.into(), format!("{DEFAULT}-{}", outer_uid()).into()]
}

fn all_taken(of_mine: &Path) -> anyhow::Error {
    let said = format!(
        "root directory {}: belongs to another user; name your own with --rootfs",
        of_mine.display()
    );
    Known::new("root-of-another-user", said).remedy(MAKE_AND_USE).into()
}

/// Returns the first of [`DEFAULT`] and `/tmp/busybox-UID` that belongs to nobody else; makes it when it
/// is missing.
fn default_rootfs() -> Result<PathBuf> {
    let [default, of_mine] = &default_candidates();
    for candidate in [default, of_mine] {
        if candidate.symlink_metadata().is_err() {
            build(candidate)
                .with_context(|| format!("make the root directory {}", candidate.display()))?;
        }
        // Made a moment ago by another start, it may be another user's; and so may a link.
        let metadata = candidate.symlink_metadata();
        let metadata =
            metadata.with_context(|| format!("root directory {}", candidate.display()))?;
        if is_trusted(metadata.uid()) {
            return Ok(candidate.to_owned());
        }
        if candidate != of_mine {
            log::warn!("{DEFAULT} belongs to another user: using {}", of_mine.display());
        }
    }
    Err(all_taken(of_mine))
}

/// The caller's user id outside of a user namespace that maps one id, as `cargo rootless` makes it: where
/// everybody is root, the directories of two users would have one name.
fn outer_uid() -> u32 {
    let inside = geteuid().as_raw();
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().find_map(|line| outer_id(inside, line)).unwrap_or(inside)
}

/// Returns what a line of /proc/PID/uid_map makes of the id `inside`.
fn outer_id(inside: u32, line: &str) -> Option<u32> {
    let numbers: Vec<u32> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [first_inside, first_outside, size] = numbers[..] else {
        return None;
    };
    let offset = inside.checked_sub(first_inside).filter(|offset| *offset < size)?;
    first_outside.checked_add(offset)
}

/// Who may own what a container executes: root, the caller, and who has called sudo(8).
fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == geteuid().as_raw() || sudo_id("SUDO_UID") == Some(owner)
}

/// Returns the id that sudo(8) has left in the environment. For others than root it says nothing.
fn sudo_id(variable: &str) -> Option<u32> {
    env::var(variable).ok().filter(|_| geteuid().is_root())?.parse().ok()
}

/// The owner that a user namespace shows for ids that it does not map: user_namespaces(7), section
/// "Unmapped user and group IDs".
const OVERFLOW_UID: u32 = 65534;

/// Fails if another user could have put something into `rootfs`, or could put another directory in its
/// place.
fn ensure_safe(rootfs: &Path, metadata: &Metadata) -> Result<()> {
    let said = format!("root directory {}", rootfs.display());
    let owner = metadata.uid();
    let belongs = || {
        let said = format!("{said}: belongs to another user (id {owner})");
        Known::new("root-of-another-user", said).remedy(copy_and_use(rootfs))
    };
    ensure!(is_trusted(owner), belongs());
    let writable = || {
        let said = format!("{said}: writable by other users");
        Known::new("root-writable", said).remedy(format!("chmod go-w {}", rootfs.display()))
    };
    ensure!(!is_writable_by_others(metadata), writable());
    for parent in rootfs.ancestors().skip(1) {
        let metadata =
            parent.symlink_metadata().with_context(|| format!("{said}: {}", parent.display()))?;
        // In a user namespace root's own directories, such as /, look like those of any other user: of them
        // nothing can be told.
        let owner = metadata.uid();
        let trusted = is_trusted(owner) || (owner == OVERFLOW_UID && !in_first_user_namespace());
        let sticky = metadata.mode() & 0o1000 != 0;
        let said = format!("{said}: another user can rename it in {}", parent.display());
        let owned = || Known::new("root-of-another-user", &said).remedy(copy_and_use(rootfs));
        ensure!(metadata.is_dir() && trusted, owned());
        let writable = || {
            Known::new("root-writable", &said).remedy(format!("chmod go-w {}", parent.display()))
        };
        ensure!(sticky || !is_writable_by_others(&metadata), writable());
    }
    Ok(())
}

/// Whether others than the owner can write: everybody, or a group that may have other members. (Many
/// distributions give each user a group of their own, with the same number.)
fn is_writable_by_others(metadata: &Metadata) -> bool {
    let of_one_user = metadata.gid() == 0
        || metadata.gid() == geteuid().as_raw()
        || sudo_id("SUDO_UID") == Some(metadata.gid());
    metadata.mode() & 0o002 != 0 || (metadata.mode() & 0o020 != 0 && !of_one_user)
}

/// Where the programs are, from the root directory.
const BIN: &str = "bin";

/// The directories of a root directory. `proc`, `dev` and `temp` are mount points.
const DIRECTORIES: [&str; 11] =
    [BIN, "dev", "etc", "home", "proc", "root", "sys", "temp", "tmp", "usr", "var"];

/// The files of a root directory that programs look into, and what they find.
const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    // Stage 03 has no device there: a shell takes the standard input of its background jobs from here.
    ("dev/null", ""),
];

/// What a container cannot do without.
const ESSENTIAL: [&str; 6] = ["sh", "ls", "ps", "mount", "hostname", "id"];

/// What makes it comfortable, where the host has it.
const COMFORT: &[&str] = &[
    "bash", "cat", "chmod", "chown", "chroot", "cp", "cut", "date", "dd", "df", "dirname", "echo",
    "env", "false", "find", "free", "grep", "head", "ip", "ipcmk", "ipcrm", "ipcs", "kill", "ln",
    "mkdir", "mknod", "mv", "nproc", "nsenter", "pgrep", "pidof", "ping", "printf", "pwd",
    "readlink", "rm", "rmdir", "sed", "seq", "sleep", "sort", "stat", "stty", "tail", "tee",
    "test", "touch", "tr", "true", "tty", "umount", "uname", "unshare", "vi", "wc", "whoami",
    "xargs",
];

/// Makes a root directory at `target`. It is made beside its place and renamed, so that `target` is whole
/// or not there, whoever else is making it and whenever this is interrupted.
fn build(target: &Path) -> Result<()> {
    remove_abandoned(target)?;
    let before = umask(Mode::from_bits_truncate(0o022));
    let built = build_beside(target);
    umask(before);
    remove_abandoned(target)?;
    match built {
        // rename(2) does not replace a directory with something in it, or another user's. This one was
        // made by another start, which was faster.
        Err(_) if target.symlink_metadata().is_ok() => Ok(()),
        built => built,
    }
}

fn build_beside(target: &Path) -> Result<()> {
    let (workshop, _lock) = workshop(target)?;
    let moved = fill(&workshop).and_then(|()| {
        fs::set_permissions(&workshop, Permissions::from_mode(0o755)).context("chmod")?;
        fs::rename(&workshop, target).context("rename")
    });
    if moved.is_err() {
        // What cannot be removed now, the next start removes.
        let _ = fs::remove_dir_all(&workshop);
    }
    moved
}

/// The characters that mkdtemp(3) replaces.
const SUFFIX: &str = "XXXXXX";

/// Makes a directory to make `target` in, `.busybox-UID-XXXXXX` beside it. Others leave it alone as long as
/// the lock is held.
fn workshop(target: &Path) -> Result<(PathBuf, Flock<File>)> {
    let template = target.with_file_name(format!("{}{SUFFIX}", workshop_prefix(target)));
    loop {
        let workshop =
            mkdtemp(&template).with_context(|| format!("mkdtemp {}", template.display()))?;
        // Before it is locked it looks abandoned, and another start may be about to remove it.
        if let Some(lock) = lock(&workshop)?.filter(|_| workshop.exists()) {
            return Ok((workshop, lock));
        }
    }
}

fn workshop_prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}-{}-", outer_uid())
}

/// Locks a directory for its maker: flock(2). The lock ends with the process. Returns `None` when somebody
/// else has the lock, or the directory is gone.
fn lock(directory: &Path) -> Result<Option<Flock<File>>> {
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
    match OpenOptions::new().read(true).custom_flags(flags).open(directory) {
        Ok(file) => Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("open {}", directory.display())),
    }
}

/// Removes what starts that were killed in the middle of [`build`] have left beside `target`.
fn remove_abandoned(target: &Path) -> Result<()> {
    let prefix = workshop_prefix(target);
    let parent = target.parent().unwrap_or(Path::new("/"));
    for entry in fs::read_dir(parent).with_context(|| format!("read {}", parent.display()))? {
        let entry = entry.context("read a directory entry")?;
        let name = entry.file_name();
        let suffix = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        let is_ours =
            |metadata: Metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw();
        if suffix.is_some_and(|suffix| suffix.len() == SUFFIX.len())
            && entry.metadata().is_ok_and(is_ours)
        {
            // Locked, somebody is at work in it.
            if let Some(_lock) = lock(&entry.path())? {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
    Ok(())
}

/// Puts everything into the empty directory `root`.
fn fill(root: &Path) -> Result<()> {
    for directory in DIRECTORIES {
        DirBuilder::new()
            .mode(0o755)
            .create(root.join(directory))
            .with_context(|| format!("mkdir {directory}"))?;
    }
    for (file, text) in FILES {
        fs::write(root.join(file), text).with_context(|| format!("write {file}"))?;
    }
    symlink(Path::new("..").join(BIN), root.join("usr/bin")).context("link usr/bin")?;
    match busybox() {
        Ok((busybox, applets)) => install_busybox(root, &busybox, &applets)?,
        Err(error) => {
            log::info!("no busybox, so its programs are this host's own: {error:#}");
            for tool in COMFORT {
                if let Err(error) = install_tool(root, tool) {
                    log::info!("left out: {error:#}");
                }
            }
        }
    }
    for tool in ESSENTIAL {
        match install_tool(root, tool) {
            // The one of them that common distributions lack.
            Err(_) if tool == "hostname" => write_hostname(root)?,
            Err(error) => bail!(lacks(tool, &error)),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn lacks(tool: &str, error: &anyhow::Error) -> Known {
    Known::new("no-busybox", format!("a root directory needs {tool}: {error:#}"))
}

/// Finds this host's busybox, and asks it for the names of its applets.
fn busybox() -> Result<(PathBuf, String)> {
    let busybox = find_program("busybox")?;
    signals::expect_children()?;
    let list = Command::new(&busybox).arg("--list").output().context("busybox --list")?;
    ensure!(list.status.success(), "busybox --list: {}", list.status);
    Ok((busybox, String::from_utf8(list.stdout).context("busybox --list")?))
}

/// Puts busybox into `root`, with a link for each of its applets.
fn install_busybox(root: &Path, busybox: &Path, applets: &str) -> Result<()> {
    install(busybox, root, "busybox")?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        let link = root.join(BIN).join(applet);
        symlink("busybox", &link).with_context(|| format!("link {}", link.display()))?;
    }
    Ok(())
}

/// Puts this host's program `tool` into `root`, if there is none of that name yet.
fn install_tool(root: &Path, tool: &str) -> Result<()> {
    if root.join(BIN).join(tool).exists() {
        return Ok(());
    }
    install(&find_program(tool)?, root, tool)
}

/// Puts a script in the place of hostname(1).
fn write_hostname(root: &Path) -> Result<()> {
    let script = root.join(BIN).join("hostname");
    fs::write(&script, "#!/bin/sh\nread -r name </proc/sys/kernel/hostname && echo \"$name\"\n")
        .and_then(|()| fs::set_permissions(&script, Permissions::from_mode(0o755)))
        .with_context(|| format!("write {}", script.display()))
}

/// Finds an executable file in `PATH`, or where administrators' programs are.
fn find_program(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| {
            file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
        })
        .with_context(|| format!("no program {name} on this host"))
}

/// Copies the file `program` into the root directory `root` as `/bin/NAME`, and the shared libraries it
/// needs to their own paths.
///
/// # Errors
///
/// A file cannot be read or written, is no ELF program, or needs a library that is not there.
pub fn install(program: &Path, root: &Path, name: &str) -> Result<()> {
    let said = || program.display().to_string();
    let tree = DependencyAnalyzer::default().analyze(program).with_context(said)?;
    if let Some(loader) = tree.interpreter.as_ref().map(Path::new) {
        copy(loader, &inside(root, loader))?;
    }
    for library in tree.libraries.values() {
        ensure!(library.found(), "{}: needs {}, which is not found", said(), library.name);
        copy(&library.path, &inside(root, &library.path))?;
        // The host's loader may have found it by a cache that the new root has not: ld.so(8). Beside the C
        // library it looks without.
        if let Some(libc) = tree.libraries.get("libc.so.6") {
            let directory = inside(root, &libc.path).with_file_name("");
            let file = library.path.file_name().unwrap_or(OsStr::new(&library.name));
            copy(&library.path, &directory.join(file))?;
        }
    }
    copy(program, &root.join(BIN).join(name))
}

/// The path in `root` for the absolute `path`.
fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Copies a file that is to be executed, or loaded, and makes its directory. What is there stays.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let directory = to.parent().unwrap_or(to);
    fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    // Not the mode of the original: a copy of mount(8) must not be set-user-ID.
    fs::copy(from, to)
        .and_then(|_| fs::set_permissions(to, Permissions::from_mode(0o755)))
        .with_context(|| format!("copy {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::outer_id;

    #[test]
    fn an_id_is_mapped_by_the_range_that_holds_it() {
        assert_eq!(outer_id(0, "         0       1000          1"), Some(1000));
        assert_eq!(outer_id(7, "5 100 3"), Some(102));
        assert_eq!(outer_id(0, "0 0 4294967295"), Some(0));
    }

    #[test]
    fn an_id_outside_of_the_range_is_not_mapped() {
        assert_eq!(outer_id(1, "0 1000 1"), None);
        assert_eq!(outer_id(4, "5 100 3"), None);
        assert_eq!(outer_id(0, ""), None);
    }
}
