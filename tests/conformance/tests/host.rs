//! What the throw-away host keeps a test from.

use std::fs;
use std::process::ExitCode;

use conformance::{As, Stage, tests};
use nix::errno::Errno;

fn main() -> ExitCode {
    conformance::library(tests![&[As::Root] => [root_cannot_write_to_the_machines_files]])
}

fn root_cannot_write_to_the_machines_files(_: &Stage) {
    for directory in ["/", "/etc", "/usr/bin", "/var/tmp", env!("CARGO_MANIFEST_DIR")] {
        let error = fs::write(format!("{directory}/written-by-a-test"), "").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::EROFS as i32), "{directory}");
    }
    fs::write("/tmp/written-by-a-test", "").unwrap();
}
