//! The POSIX message queues of an IPC namespace, which only a mqueue file system shows: mq_overview(7).

use std::fs::{self, File};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::close as close_descriptor;

/// A place that is there, and that nothing else is looked for in meanwhile.
const PLACE: &str = "/tmp";

/// The directory of the host's queues, which is mounted nowhere any more.
static OF_THE_HOST: AtomicI32 = AtomicI32::new(-1);

/// Opens the directory of this IPC namespace's queues, as root of a host, for [`of_the_host`]. An ordinary user may not mount it.
pub(crate) fn open() {
    // A kernel may have no such queues.
    if let Some(directory) = directory() {
        OF_THE_HOST.store(directory.into_raw_fd(), Ordering::Relaxed);
    }
}

/// Closes that directory, in a process that has no business with it.
pub(crate) fn close() {
    let _ = close_descriptor(OF_THE_HOST.load(Ordering::Relaxed));
}

/// Returns the names of the host's queues, as in `/letters`.
pub(crate) fn of_the_host() -> Vec<String> {
    list(OF_THE_HOST.load(Ordering::Relaxed))
}

/// Returns the names of the queues of this process's IPC namespace. It has a mount namespace of its own afterwards.
pub(crate) fn here() -> Vec<String> {
    const NONE: Option<&str> = None;
    let alone = unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE));
    let directory = alone.ok().and_then(|()| directory());
    directory.map_or(Vec::new(), |directory| list(directory.as_raw_fd()))
}

fn directory() -> Option<File> {
    mount(Some("queues"), PLACE, Some("mqueue"), MsFlags::empty(), None::<&str>).ok()?;
    let directory = File::open(PLACE).ok();
    let _ = umount2(PLACE, MntFlags::MNT_DETACH);
    directory
}

fn list(directory: i32) -> Vec<String> {
    let queues = fs::read_dir(format!("/proc/self/fd/{directory}")).into_iter().flatten().flatten();
    queues.map(|queue| format!("/{}", queue.file_name().to_string_lossy())).collect()
}
