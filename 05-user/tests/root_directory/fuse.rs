//! A file system of another user's own: fuse(4).

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;

use conformance::skip;
use nix::mount::{MsFlags, mount};

/// Mounts one on `directory`, for the user `owner`, who lets others in. It answers nothing, so that whoever asks it anything
/// waits: as long as what is returned is there.
#[must_use]
pub fn mount_silent(directory: &str, owner: u32) -> File {
    let Ok(device) = OpenOptions::new().read(true).write(true).open("/dev/fuse") else {
        skip("needs /dev/fuse: modprobe fuse");
    };
    let descriptor = device.as_raw_fd();
    let options =
        format!("fd={descriptor},rootmode=40755,user_id={owner},group_id={owner},allow_other");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("theirs"), directory, Some("fuse"), flags, Some(options.as_str())).unwrap();
    device
}
