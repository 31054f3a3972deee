//! Starts a program, this one included, in new namespaces.
//!
//! A container is set up from the inside: its hostname, its mounts, its root directory. So the program
//! starts itself a second time, in new namespaces, and [`dispatch`] tells the two lives apart by a mark that
//! [`command`] leaves. Go programs mostly do it that way, since a Go process is always multi-threaded and
//! can hardly run code of its own between clone and execve; here it keeps that step plain.
//!
//! The words are OCI's: between clone(2) and execve(2) a container is [`Created`], which means that its
//! namespaces are there, and that it waits. That is when its parent writes its id maps, and from stage 06 on
//! connects its network and sets its limits. Then the container is started.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use anyhow::Result;
//! use common::{check, reexec};
//! use nix::sched::CloneFlags;
//!
//! fn main() -> ExitCode {
//!     check::init_logging();
//!     check::check(reexec::dispatch(&(), &[("inside", inside)], outside))
//! }
//!
//! fn outside(_: &()) -> Result<ExitCode> {
//!     let container = reexec::command("inside").cloneflag(CloneFlags::CLONE_NEWUTS).create()?;
//!     container.start()?.wait()
//! }
//!
//! fn inside(_: &()) -> Result<ExitCode> {
//!     nix::unistd::sethostname("nshost")?;
//!     reexec::Command::new("/bin/sh").run()
//! }
//! ```

use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::sched::CloneFlags;
use nix::sys::prctl;

use crate::host_facts::Caller;
pub use command::{Command, command};
pub use container::{Created, Running, wait_for};
pub use failure::{Call, Step};
pub use guard::pidfd_open;
pub use id_map::{IdMap, write_id_maps};
use image::c_string;
pub use mark::take as entry_point;

mod before;
mod child;
mod command;
mod container;
mod failure;
mod guard;
mod id_map;
mod image;
mod mark;

/// A function that a program can start with. Its result is the program's.
pub type Entrypoint<A> = fn(&A) -> Result<ExitCode>;

/// Calls the entry point that this process was started for.
///
/// - `args`: what the entry points get; the command line, parsed.
/// - `table`: names and entry points for [`command`].
/// - `start`: the entry point of a first life: a person has started the program.
///
/// # Errors
///
/// Those of the entry point. [`Cause::ChildrenElsewhere`](crate::diagnosis::Cause) in a first life whose children
/// would be in another PID namespace.
pub fn dispatch<A>(
    args: &A,
    table: &[(&str, Entrypoint<A>)],
    start: Entrypoint<A>,
) -> Result<ExitCode> {
    let name = entry_point();
    match table.iter().find(|(entry, _)| name.as_deref() == Some(*entry)) {
        Some((entry, entrypoint)) => {
            // Otherwise ps(1) shows the last part of the path that was executed: "exe".
            prctl::set_name(&c_string(entry)?).context("set the name of the process")?;
            entrypoint(args)
        }
        None => {
            before::ensure_children_here()?;
            start(args)
        }
    }
}

/// Moves this process into new namespaces: unshare(2). (A new PID namespace is for its next child.)
///
/// # Errors
///
/// unshare(2), mostly EPERM, in a line that names the flags.
pub fn unshare(flags: CloneFlags) -> Result<()> {
    if flags.contains(CloneFlags::CLONE_NEWUSER) {
        Caller::remember();
    }
    nix::sched::unshare(flags).context(Step::Clone(flags))
}
