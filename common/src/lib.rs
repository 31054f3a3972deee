//! What the stages share, so that each of them holds its own lesson and nothing else.
//!
//! - [`reexec`] starts this program again, or a shell, in new namespaces.
//! - [`check`] sets up the log, and turns the one error that reaches `main` into a line and a status.
//! - [`diagnosis`] is the table of what can be in the way, and of what helps; [`host_facts`] is what it goes by.
//! - [`directories`] removes directories in directories.
//! - [`forwarding`] says whether a host lets packets pass between containers.
//! - [`helper`] runs somebody else's program that helps with a start.
//! - [`lock`] is for what one process at a time may do.
//! - [`mounts`] opens mount points, and mounts on what was opened.
//! - [`quote`] shows names and paths that others have chosen.
//! - [`rootfs`] finds, or makes, the directory that becomes a container's `/`.
//!
//! Clone flags, id maps, mounts, the change of the root directory and the loop of process 1 are not
//! here: they are what the stages are about.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "Containers are made of Linux namespaces: build this on Linux, or in a virtual machine with it."
);

#[cfg(target_os = "linux")]
pub mod check;
#[cfg(target_os = "linux")]
pub mod diagnosis;
#[cfg(target_os = "linux")]
pub mod directories;
#[cfg(target_os = "linux")]
pub mod forwarding;
#[cfg(target_os = "linux")]
pub mod helper;
#[cfg(target_os = "linux")]
pub mod host_facts;
#[cfg(target_os = "linux")]
pub mod lock;
#[cfg(target_os = "linux")]
pub mod mounts;
#[cfg(target_os = "linux")]
pub mod quote;
#[cfg(target_os = "linux")]
pub mod reexec;
#[cfg(target_os = "linux")]
pub mod rootfs;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod terminal;
