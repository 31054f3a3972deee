//! The floor: a container's start with next to nothing around the system calls that make it one.
//!
//! The cloned child sets itself up and executes its program: no second start of a program of ours, no process 1
//! beside the shell. What a stage does besides is left out: nobody checks the root directory, holds signals
//! back, closes descriptors, waits for orphans, or says what has failed.

use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, clone};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{Pid, chdir, chroot, getgid, getuid, pivot_root, sethostname, symlinkat, write};

/// Bytes of stack for the cloned child.
const STACK_SIZE: usize = 64 * 1024;

/// The devices that the stages bind into /dev.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// A container to start. All that its child needs is in memory before the clone.
pub struct Floor {
    flags: CloneFlags,
    root: Option<Root>,
    program: CString,
    uid_map: String,
    gid_map: String,
}

/// A root directory, and the paths below it.
struct Root {
    path: CString,
    proc: CString,
    dressed: Option<Dress>,
}

/// What the stages from 04 on mount besides.
struct Dress {
    temp: CString,
    dev: CString,
    devices: Vec<(CString, CString)>,
    links: Vec<(CString, CString)>,
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_encoded_bytes()).expect("no path here has a zero byte")
}

const NONE: Option<&CStr> = None;

impl Floor {
    /// Returns a container that executes the file `program` in the new namespaces `flags`. With a user
    /// namespace, the caller's ids become root's in it.
    pub fn new(flags: CloneFlags, program: impl AsRef<Path>) -> Floor {
        Floor {
            flags,
            root: None,
            program: c_string(program.as_ref()),
            uid_map: format!("0 {} 1", getuid()),
            gid_map: format!("0 {} 1", getgid()),
        }
    }

    /// Gives it the root directory `root`, by chroot(2), with a proc in it.
    pub fn root(mut self, root: &Path) -> Floor {
        let (path, proc) = (c_string(root), c_string(&root.join("proc")));
        self.root = Some(Root { path, proc, dressed: None });
        self
    }

    /// Gives it the root directory `root` as stage 05 does: by pivot_root(2), with /proc, /temp and /dev.
    pub fn root_as_in_05(mut self, root: &Path) -> Floor {
        let dev = root.join("dev");
        let devices = DEVICES.map(|name| (Path::new("/dev").join(name), dev.join(name)));
        let links = [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")];
        let links =
            links.map(|(name, target)| (Path::new("/proc/self").join(target), dev.join(name)));
        let c_strings = |(from, to)| (c_string(from), c_string(to));
        let dressed = Dress {
            temp: c_string(&root.join("temp")),
            devices: devices.iter().map(|(from, to)| c_strings((from, to))).collect(),
            links: links.iter().map(|(from, to)| c_strings((from, to))).collect(),
            dev: c_string(&dev),
        };
        self = self.root(root);
        if let Some(root) = &mut self.root {
            root.dressed = Some(dressed);
        }
        self
    }

    /// Starts the container, and returns when its program runs, or the set-up has failed. It has then ended
    /// with the status 127.
    ///
    /// # Errors
    ///
    /// clone(2).
    pub fn start(&self) -> nix::Result<Pid> {
        let mut stack = vec![0; STACK_SIZE];
        let child = Box::new(|| {
            let _ = self.write_id_maps().and_then(|()| self.set_up()).map(|()| self.execute());
            127
        });
        // SAFETY: the child has this process's memory, on a stack of its own, and this process stands still
        // until the child executes its program or ends. It allocates nothing, and writes nothing but errno.
        unsafe {
            let flags = self.flags | CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
            clone(child, &mut stack, flags, Some(libc::SIGCHLD))
        }
    }

    /// Starts this program again in the new namespaces, with these arguments. The container is then set up
    /// by [`Floor::set_up_and_execute`].
    ///
    /// # Errors
    ///
    /// clone(2).
    pub fn start_again(&self, args: &[&CStr]) -> nix::Result<Pid> {
        let mut stack = vec![0; STACK_SIZE];
        let pointers = args.iter().map(|arg| arg.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>();
        let child = Box::new(|| {
            // A process without mapped ids would lose its capabilities with execve.
            let _ = self.write_id_maps().map(|()| execute(c"/proc/self/exe", &pointers));
            127
        });
        // SAFETY: as in `start`.
        unsafe {
            let flags = self.flags | CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
            clone(child, &mut stack, flags, Some(libc::SIGCHLD))
        }
    }

    /// Starts the container, and calls `prepare` with its process while that waits in its namespaces.
    ///
    /// # Errors
    ///
    /// Those of pipe(2), clone(2) and `prepare`. The child is left then, and ends with this process.
    pub fn start_prepared<E: From<Errno>>(
        &self,
        prepare: impl FnOnce(Pid) -> Result<(), E>,
        configure: impl Fn() -> Result<(), E>,
    ) -> Result<Pid, E> {
        let (hold, release) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let mut stack = vec![0; STACK_SIZE];
        let child = Box::new(|| {
            let released = nix::unistd::read(&hold, &mut [0]) == Ok(1);
            let ready = released && self.write_id_maps().is_ok() && configure().is_ok();
            if ready && self.set_up().is_ok() {
                self.execute();
            }
            127
        });
        // SAFETY: without CLONE_VM the child has a copy of all memory, and this process has one thread.
        let pid = unsafe { clone(child, &mut stack, self.flags, Some(libc::SIGCHLD)) }?;
        prepare(pid)?;
        write(&release, &[1])?;
        Ok(pid)
    }

    /// Sets the container up from inside, and executes its program. Returns only when that fails.
    pub fn set_up_and_execute(&self) -> Errno {
        self.set_up().map_or_else(|errno| errno, |()| self.execute())
    }

    fn write_id_maps(&self) -> nix::Result<()> {
        if self.flags.contains(CloneFlags::CLONE_NEWUSER) {
            put(c"/proc/self/setgroups", "deny")?;
            put(c"/proc/self/gid_map", &self.gid_map)?;
            put(c"/proc/self/uid_map", &self.uid_map)?;
        }
        Ok(())
    }

    /// Makes async-signal-safe calls only, and allocates nothing.
    fn set_up(&self) -> nix::Result<()> {
        if self.flags.contains(CloneFlags::CLONE_NEWUTS) {
            sethostname("nshost")?;
        }
        if self.flags.contains(CloneFlags::CLONE_NEWNS) {
            mount(NONE, c"/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
        }
        let Some(root) = &self.root else { return Ok(()) };
        if root.dressed.is_some() {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(root.path.as_c_str()), root.path.as_c_str(), NONE, flags, NONE)?;
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some(c"proc"), root.proc.as_c_str(), Some(c"proc"), flags, NONE)?;
        let Some(dressed) = &root.dressed else {
            chroot(root.path.as_c_str())?;
            return chdir(c"/");
        };
        dressed.mount()?;
        chdir(root.path.as_c_str())?;
        pivot_root(c".", c".")?;
        umount2(c".", MntFlags::MNT_DETACH)?;
        chdir(c"/")
    }

    fn execute(&self) -> Errno {
        execute(&self.program, &[self.program.as_ptr(), ptr::null()])
    }
}

impl Dress {
    fn mount(&self) -> nix::Result<()> {
        let flags = MsFlags::empty();
        mount(Some(c"godir"), self.temp.as_c_str(), Some(c"tmpfs"), flags, NONE)?;
        let flags = MsFlags::MS_NOSUID;
        mount(Some(c"dev"), self.dev.as_c_str(), Some(c"tmpfs"), flags, Some(c"mode=755"))?;
        for (host, device) in &self.devices {
            mknod(device.as_c_str(), SFlag::S_IFREG, Mode::from_bits_truncate(0o644), 0)?;
            mount(Some(host.as_c_str()), device.as_c_str(), NONE, MsFlags::MS_BIND, NONE)?;
        }
        for (target, link) in &self.links {
            symlinkat(target.as_c_str(), nix::fcntl::AT_FDCWD, link.as_c_str())?;
        }
        Ok(())
    }
}

fn execute(program: &CStr, args: &[*const c_char]) -> Errno {
    // SAFETY: the array ends with a null pointer, and its strings live as long as the caller.
    unsafe { libc::execv(program.as_ptr(), args.as_ptr()) };
    Errno::last()
}

/// Writes a file of /proc in one write(2).
fn put(file: &CStr, text: &str) -> nix::Result<()> {
    write(open(file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?, text.as_bytes()).map(drop)
}
