//! A program that types into every terminal that it can reach: TIOCSTI in ioctl_tty(2).

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use common::rootfs;
use nix::libc;

use crate::Stage;
use crate::stage::install_this;

/// Where the program is in the container, and the name that it knows itself by.
pub(super) const PROGRAM: &str = "/tmp/typist";

/// Puts the program there.
pub(super) fn install(stage: &Stage) {
    let host = Path::new(PROGRAM);
    fs::copy("/proc/self/exe", host).expect("/tmp can be written to");
    if stage.traits.root_directory {
        install_this(stage, "typist");
        let root = Path::new(rootfs::DEFAULT);
        fs::create_dir_all(root.join("tmp")).expect("the root directory can be written to");
        fs::rename(root.join("bin/typist"), root.join("tmp/typist")).expect("it is there");
    }
}

/// Types a line.
pub(super) fn main<A>(_: &A) -> Result<ExitCode> {
    let tty = File::options().read(true).write(true).open("/dev/tty").ok();
    for descriptor in [0, 1, 2].into_iter().chain(tty.iter().map(File::as_raw_fd)) {
        for key in b"typed from inside\n" {
            // SAFETY: the request reads one byte, which is there. It may fail: that is what it is tried for.
            unsafe { libc::ioctl(descriptor, libc::TIOCSTI, key) };
        }
    }
    Ok(ExitCode::SUCCESS)
}
