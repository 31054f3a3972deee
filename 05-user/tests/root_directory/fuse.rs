//! A file system of another user's own, which says that its root directory is root's: fuse(4).

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::thread;

use conformance::skip;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

/// Mounts it on `directory`, for the user `owner`, who lets others in. It is served until this
/// process ends.
pub fn serve(directory: &str, owner: u32) {
    let Ok(mut device) = OpenOptions::new().read(true).write(true).open("/dev/fuse") else {
        skip("needs /dev/fuse: modprobe fuse");
    };
    let descriptor = device.as_raw_fd();
    let options =
        format!("fd={descriptor},rootmode=40755,user_id={owner},group_id={owner},allow_other");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("theirs"), directory, Some("fuse"), flags, Some(options.as_str())).unwrap();
    thread::spawn(move || while answer(&mut device).is_some() {});
}

/// Reads a request, `struct fuse_in_header` and more, and answers it: linux/fuse.h. `None` after an
/// unmount.
fn answer(device: &mut File) -> Option<()> {
    const LOOKUP: u32 = 1;
    const FORGET: u32 = 2;
    const GETATTR: u32 = 3;
    const STATFS: u32 = 17;
    const INIT: u32 = 26;
    let mut request = vec![0; 128 * 1024];
    // One read is one request, and a whole one.
    let length = device.read(&mut request).ok()?;
    request.truncate(length);
    let unique = &request[8..16];
    let (error, body) = match u32::from_ne_bytes(request[4..8].try_into().unwrap()) {
        INIT => (0, words(&[7, 31, 4096, 0, 0, 4096, 1], 64)),
        GETATTR => (0, attributes()),
        STATFS => (0, vec![0; 80]),
        LOOKUP => (-(Errno::ENOENT as i32), Vec::new()),
        FORGET => return Some(()),
        _ => (-(Errno::ENOSYS as i32), Vec::new()),
    };
    let length = 16 + body.len() as u32;
    let reply = [&length.to_ne_bytes()[..], &error.to_ne_bytes(), unique, &body].concat();
    device.write_all(&reply).ok()
}

/// `struct fuse_attr_out` of a directory that is root's, with the usual mode.
fn attributes() -> Vec<u8> {
    let mut out = words(&[0; 4], 16);
    let ino_to_ctime = [1u64, 0, 0, 0, 0, 0].map(u64::to_ne_bytes).concat();
    out.extend(ino_to_ctime);
    // Nanoseconds of three times, mode, links, owner, group.
    out.extend(words(&[0, 0, 0, 0o40755, 2, 0, 0], 40));
    out
}

/// Numbers of 32 bits, and zeros up to `size` bytes.
fn words(words: &[u32], size: usize) -> Vec<u8> {
    let mut bytes: Vec<_> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.resize(size, 0);
    bytes
}
