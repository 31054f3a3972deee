//! Nothing that a learner's function writes reaches the machine, whatever it does to the mounts.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use grader::exercise::{self, Host};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chroot, mkdtemp, pivot_root};

const NONE: Option<&str> = None;

/// Allows a learner's function what it may do to the throw-away host: the machine is what counts here.
fn allow_all(host: &Host) {
    host.may_change(&["mnt", "user"]);
    host.may_leave(&["+", "-", "+ mount:"]);
    host.leave_unwatched();
}

/// A directory of the machine that everybody can write to. Dropped, it is removed.
struct Directory(PathBuf);

impl Directory {
    fn make() -> Directory {
        use std::os::unix::fs::PermissionsExt;
        let path = mkdtemp("/var/tmp/grader-XXXXXX").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A way to lift the protection: gets the directory, and returns a path to it that may be writable now.
type Attempt = fn(&Path) -> Result<PathBuf>;

/// Has a learner's function try, and asserts that no file has come to be on the machine.
#[track_caller]
fn stays_clean(attempt: Attempt) {
    let directory = Directory::make();
    exercise::as_root("mount_namespaces(7)", |host| {
        allow_all(host);
        let wrote: Result<(), String> = host.run(|| {
            let path = attempt(&directory.0).unwrap_or(directory.0.clone());
            Ok(fs::write(path.join("file"), "").map_err(|error| error.to_string()))
        });
        host.shows("what comes of the file", format!("{wrote:?}")).should_have("Err(");
    });
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0, "a file has reached the machine");
}

/// Asks mount_setattr(2) to make a mount, and all below it, writable.
fn set_writable(directory: i32, path: &Path) -> Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    let attributes = libc::mount_attr {
        attr_set: 0,
        attr_clr: libc::MOUNT_ATTR_RDONLY,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the kernel reads a string and a structure of the size that it is told.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            directory,
            path.as_ptr(),
            libc::AT_RECURSIVE | libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })?;
    Ok(())
}

/// Opens a copy of the mounts at `path`: open_tree(2).
fn open_tree(path: &Path) -> Result<i32> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    let flags = libc::OPEN_TREE_CLONE | libc::AT_RECURSIVE as u32;
    // SAFETY: the kernel reads a string.
    let opened = Errno::result(unsafe {
        libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags)
    })?;
    Ok(opened as i32)
}

#[test]
fn a_remount_changes_nothing() {
    stays_clean(|directory| {
        for flags in [MsFlags::MS_REMOUNT, MsFlags::MS_REMOUNT | MsFlags::MS_BIND] {
            let _ = mount(NONE, "/", NONE, flags, NONE);
        }
        Ok(directory.into())
    });
}

#[test]
fn a_bind_mount_is_as_protected_as_what_it_shows() {
    stays_clean(|directory| {
        mount(Some(directory), "/tmp", NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
        let _ = mount(NONE, "/tmp", NONE, MsFlags::MS_REMOUNT | MsFlags::MS_BIND, NONE);
        Ok("/tmp".into())
    });
}

#[test]
fn mount_setattr_changes_nothing() {
    stays_clean(|directory| {
        let _ = set_writable(libc::AT_FDCWD, Path::new("/"));
        Ok(directory.into())
    });
}

#[test]
fn a_copy_of_the_mounts_stays_protected() {
    stays_clean(|directory| {
        let tree = open_tree(directory)?;
        let _ = set_writable(tree, Path::new(""));
        Ok(format!("/proc/self/fd/{tree}").into())
    });
}

#[test]
fn a_namespace_more_changes_nothing() {
    stays_clean(|directory| {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        let _ = mount(NONE, "/", NONE, MsFlags::MS_REMOUNT | MsFlags::MS_BIND, NONE);
        let _ = set_writable(libc::AT_FDCWD, Path::new("/"));
        Ok(directory.into())
    });
}

#[test]
fn another_root_directory_changes_nothing() {
    stays_clean(|directory| {
        mount(Some("/"), "/tmp", NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
        let _ = pivot_root("/tmp", "/tmp");
        let _ = umount2("/", MntFlags::MNT_DETACH);
        let _ = mount(NONE, "/", NONE, MsFlags::MS_REMOUNT | MsFlags::MS_BIND, NONE);
        Ok(directory.into())
    });
    stays_clean(|directory| {
        mount(Some("/"), "/tmp", NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
        chroot("/tmp")?;
        let _ = mount(NONE, "/", NONE, MsFlags::MS_REMOUNT | MsFlags::MS_BIND, NONE);
        Ok(directory.into())
    });
}

#[test]
fn an_overlay_writes_to_its_own_upper_directory_alone() {
    let directory = Directory::make();
    exercise::as_root("mount(8), overlay", |host| {
        allow_all(host);
        let wrote = host.run(|| {
            for name in ["upper", "work", "merged"] {
                fs::create_dir(Path::new("/tmp").join(name)).context("mkdir")?;
            }
            let lower = directory.0.display();
            let options =
                format!("lowerdir={lower},upperdir=/tmp/upper,workdir=/tmp/work,userxattr");
            mount(
                Some("overlay"),
                "/tmp/merged",
                Some("overlay"),
                MsFlags::empty(),
                Some(&*options),
            )?;
            fs::write("/tmp/merged/file", "").context("write")?;
            if !Path::new("/tmp/upper/file").exists() {
                bail!("the overlay has not written to its upper directory");
            }
            Ok("written".to_owned())
        });
        host.shows("what comes of the file", wrote).should_be("written");
    });
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0, "a file has reached the machine");
}

#[test]
fn a_proc_of_its_own_and_the_hosts_settings_can_be_had() {
    exercise::as_root("proc(5)", |host| {
        allow_all(host);
        host.run(|| {
            fs::create_dir("/tmp/proc").context("mkdir")?;
            mount(Some("proc"), "/tmp/proc", Some("proc"), MsFlags::empty(), NONE)
                .context("proc")?;
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")
                .context("a setting of the host's network")
        });
    });
}

#[test]
fn a_test_can_use_variables_of_its_surroundings() {
    let name = String::from("surroundings");
    exercise::as_root("nothing", |host| host.shows("the name", &name).should_be("surroundings"));
}
