//! What the `TODO` for /dev asks for.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};

use super::stages::WAIT;
use super::{says, should_be, should_have};
use crate::{Container, Stage};

pub(super) fn the_devices_are_the_hosts(stage: &Stage) {
    let mounted = says(stage, "grep ' /dev ' /proc/mounts");
    should_have("what is mounted on /dev", &mounted, "/dev tmpfs rw,nosuid");
    should_have("what is mounted on /dev", &mounted, "size=64k");
    let container = stage.start(WAIT);
    should_be("the permissions of /dev", container.mode("/dev"), "755");
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let device = format!("/dev/{name}");
        let number = |path: &Path| match fs::metadata(path) {
            Ok(found) => format!("{}, {}", major(found.rdev()), minor(found.rdev())),
            Err(error) => error.to_string(),
        };
        let inside = number(&container.outside(&device));
        should_be(
            &format!("the number of the device {device}"),
            inside,
            number(Path::new(&device)),
        );
    }
    for (name, target) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
    {
        is_link(&container, &format!("/dev/{name}"), &format!("/proc/self/{target}"));
    }
    let links = "echo x | cat /dev/stdin /dev/fd/0 >/dev/stdout";
    should_be("what comes of `echo x | cat /dev/stdin`", says(stage, links), "x");
}

pub(super) fn terminals_are_those_of_the_container(stage: &Stage) {
    let mounted = says(stage, "grep ' /dev/pts ' /proc/mounts");
    should_have("what is mounted on /dev/pts", &mounted, "/dev/pts devpts rw,nosuid,noexec");
    should_have("what is mounted on /dev/pts", &mounted, "mode=620,ptmxmode=666");
    is_link(&stage.start(WAIT), "/dev/ptmx", "pts/ptmx");
    let seen = says(stage, "exec 3<>/dev/ptmx && ls /dev/pts");
    should_be("the terminals in /dev/pts when one is open", seen, "0\nptmx");
}

pub(super) fn memory_can_be_shared(stage: &Stage) {
    let mounted = says(stage, "grep ' /dev/shm ' /proc/mounts");
    should_have("what is mounted on /dev/shm", &mounted, "/dev/shm tmpfs rw,nosuid,noexec");
    should_have("what is mounted on /dev/shm", &mounted, "size=65536k");
    let container = stage.start(WAIT);
    should_be("the permissions of /dev/shm", container.mode("/dev/shm"), "1777");
    should_be("a file in /dev/shm", says(stage, "echo x >/dev/shm/x && cat /dev/shm/x"), "x");
    let expected = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero";
    should_be("all that is in /dev", says(stage, "cd /dev && echo *"), expected);
}

fn is_link(container: &Container, path: &str, target: &str) {
    let found = fs::read_link(container.outside(path));
    let found = found.map_or_else(|error| error.to_string(), |link| link.display().to_string());
    should_be(&format!("where the link {path} leads"), found, target);
}
