//! The root directory: what is wrong with it.

use nix::errno::Errno;
use nix::sys::resource::Resource;

use super::remedies::{NOTHING, another_place, install, known, raised};
use super::{Cause, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::RootNoexec,
        id: "root-noexec",
        title: "The root directory is mounted noexec",
        is: |_, _| false,
        explanation: |_, _| "Its file system is mounted noexec, so put it elsewhere".into(),
        remedies: another_place,
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::RootNowhere,
        id: "root-nowhere",
        title: "No place for a root directory",
        is: |_, _| false,
        explanation: |_, _| "It has to be made somewhere else".into(),
        remedies: another_place,
        root_helps: |failure, _| failure.errno == Errno::EACCES,
    },
    Row {
        cause: Cause::FileSize,
        id: "file-size",
        title: "A limit of file sizes is in the way",
        is: |_, _| false,
        explanation: |_, _| "The limit of file sizes (`ulimit -f`) is too low".into(),
        remedies: |_, facts| raised(facts, Resource::RLIMIT_FSIZE),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::RootOfAnotherUser,
        id: "root-of-another-user",
        title: "The root directory is another user's",
        is: |_, _| false,
        explanation: |_, _| {
            "Its owner could have planted what you are about to execute; use one of your own".into()
        },
        remedies: |failure, facts| known(failure, facts, NOTHING),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::RootWritable,
        id: "root-writable",
        title: "Others can write to the root directory",
        is: |_, _| false,
        explanation: |_, _| {
            "Other users could have planted what you are about to execute; when you trust it".into()
        },
        remedies: |failure, facts| known(failure, facts, "the others' right to write there"),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::RootNotWhole,
        id: "root-not-whole",
        title: "The root directory is not whole",
        is: |_, _| false,
        explanation: |_, _| "Something is missing in it; this helps".into(),
        remedies: |failure, facts| known(failure, facts, NOTHING),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::NoBusybox,
        id: "no-busybox",
        title: "No programs for a root directory",
        is: |_, _| false,
        explanation: |_, _| {
            "A root directory is made of busybox, or of your own programs, and here neither has a shell to take".into()
        },
        remedies: |_, facts| {
            let debian = facts.installer == Some("apt-get install");
            install(facts, if debian { "busybox-static" } else { "busybox" })
        },
        root_helps: |_, _| false,
    },
];
