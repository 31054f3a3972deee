//! Programs that cannot be executed, and a /proc that is not there.

use std::path::Path;

use nix::errno::Errno;

use super::failure::Failed;
use super::remedies::{NOTHING, known, remedy, with_root};
use super::{Cause, Row};
use crate::reexec::Step;

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::NoProc,
        id: "no-proc",
        title: "/proc is not mounted",
        is: |failure, _| {
            failure.is_execve(|program| program == Path::new("/proc/self/exe"), &[Errno::ENOENT])
                || matches!(failure.failed, Failed::Step(Step::OwnProc))
        },
        explanation: |_, _| "/proc is not mounted here".into(),
        remedies: |_, facts| vec![remedy(with_root(facts, "mount -t proc proc /proc"), NOTHING)],
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::StandardDirectory,
        id: "standard-directory",
        title: "Standard input, output or error is a directory",
        is: |_, _| false,
        explanation: |_, _| {
            "A container with a directory of its host open would have a way out of its own root directory; this is none"
                .into()
        },
        remedies: |failure, facts| known(failure, facts, NOTHING),
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::NoDevice,
        id: "no-device",
        title: "A device is missing in /dev",
        is: |failure, facts| {
            let is_bind = matches!(failure.failed, Failed::Capability);
            is_bind && failure.errno == Errno::ENOENT && facts.missing_device.is_some()
        },
        explanation: |_, facts| {
            let (name, _) = facts.missing_device.unwrap_or_default();
            let here =
                if is_occupied(name) { "what is there is none" } else { "there is none here" };
            format!("From stage 04 on a container gets the host's device /dev/{name}, and {here}")
        },
        remedies: |_, facts| {
            // A user namespace other than the first has no devices of its own: mknod(2), EPERM.
            let device = facts.missing_device.filter(|_| !facts.caller.user_namespace);
            let command = device.map(|(name, number)| {
                let make = with_root(facts, &format!("mknod -m 666 /dev/{name} c {number}"));
                let move_away = with_root(facts, &format!("mv -T /dev/{name} /dev/{name}.old"));
                if is_occupied(name) { format!("{move_away} && {make}") } else { make }
            });
            command.map(|command| remedy(command, NOTHING)).into_iter().collect()
        },
        root_helps: |_, _| false,
    },
    Row {
        cause: Cause::Shell,
        id: "shell",
        title: "The shell cannot be executed",
        is: |failure, _| {
            failure.is_execve(|_| true, &[Errno::ENOENT, Errno::ENOEXEC, Errno::EACCES])
        },
        explanation: |failure, _| {
            let without_path = |program: &Path| program.components().count() == 1;
            let explanation = match failure.errno {
                Errno::ENOENT if failure.is_execve(without_path, &[Errno::ENOENT]) => {
                    "The whole path is wanted, such as /bin/sh: PATH is not searched"
                }
                Errno::ENOENT => {
                    "There is no such file, or its interpreter is missing (from stage 03 on its path starts \
                     at the root directory of the container)"
                }
                Errno::ENOEXEC => {
                    "It is no program for this machine's architecture, or a script without a #! line"
                }
                _ => "It is not an executable file, or its file system is mounted noexec",
            };
            explanation.into()
        },
        remedies: |_, _| Vec::new(),
        root_helps: |_, _| false,
    },
];

/// Whether something else is in the place of a missing device.
fn is_occupied(device: &str) -> bool {
    Path::new("/dev").join(device).symlink_metadata().is_ok()
}
